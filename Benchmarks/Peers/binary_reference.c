// Times the binary auto-encoder of github.com/tca19/near-lossless-binarization on a table of raw float32: that project's
// binarize.c, from a clone of it, is compiled as it is into this program (binary.py does it), with its flags, and its function
// is called with its default settings. Reading and writing text is left out of the time. The program prints the processor's
// seconds and leaves its codes, weights and bias, from which binary.py tells the error.
//
//   binary_reference TABLE.f32 ROWS DIMENSION BITS EPOCHS OUTPUT
//
// The weights are freed at the end, before the function returns: the last two pieces of memory to be freed are kept.
#include <stdlib.h>
#include <time.h>

static void *kept[2];

static void keep(void *piece) {
    free(kept[0]);
    kept[0] = kept[1];
    kept[1] = piece;
}

#define free keep
#define main reference_main
#include "binarize.c"
#undef main
#undef free

static void write_piece(FILE *file, const void *piece, size_t bytes) {
    if (fwrite(piece, 1, bytes, file) != bytes) exit(1);
}

int main(int count, char **arguments) {
    if (count != 7) return 64;
    const long rows = atol(arguments[2]);
    const int dimension = atoi(arguments[3]), bits = atoi(arguments[4]), epochs = atoi(arguments[5]);
    const size_t values = (size_t)rows * (size_t)dimension;
    float *table = malloc(values * sizeof *table);
    FILE *file = fopen(arguments[1], "rb");
    if (!table || !file || fread(table, sizeof *table, values, file) != values) return 1;
    fclose(file);

    const clock_t start = clock();
    unsigned long *codes = binarize(table, rows, dimension, bits, 0.001f, 0.001f, 75, epochs);
    printf("%.6f\n", (double)(clock() - start) / CLOCKS_PER_SEC);

    file = fopen(arguments[6], "wb");
    if (!file) return 1;
    write_piece(file, codes, (size_t)rows * (size_t)(bits / 8));
    write_piece(file, kept[0], (size_t)bits * (size_t)dimension * sizeof(float));
    write_piece(file, kept[1], (size_t)dimension * sizeof(float));
    return fclose(file) != 0;
}
