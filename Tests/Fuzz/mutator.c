/* A mutator that knows what a safetensors file is made of and where a .dpq file keeps its checksums, so that changes get
 * behind the first checks. Other inputs are left to libFuzzer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dpq.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

static uint64_t random_state;

static uint64_t random_bits(void) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return random_state >> 20;
}

static uint64_t length_of(const uint8_t *file) {
    uint64_t length;
    memcpy(&length, file, sizeof length);
    return length;
}

/* Another header text; the data stays and the header is padded as writers do. */
static size_t mutate_header(uint8_t *file, size_t size, size_t max_size) {
    const size_t data_bytes = size - 8 - (size_t)length_of(file);
    size_t length = (size_t)length_of(file);
    while (length && file[8 + length - 1] == ' ') length--;
    const size_t room = max_size - data_bytes - 8;
    if (room < length + 64) return size;
    uint8_t *data = malloc(data_bytes + 1), *text = malloc(room);
    memcpy(data, file + size - data_bytes, data_bytes);
    memcpy(text, file + 8, length);
    size_t start = random_bits() % (length + 1), end = start;
    if (random_bits() % 2) {
        /* One number becomes another. */
        while (start < length && (text[start] < '0' || text[start] > '9')) start++;
        for (end = start; end < length && text[end] >= '0' && text[end] <= '9';) end++;
        static const char *const numbers[] = {"0",
                                              "1",
                                              "2",
                                              "3",
                                              "7",
                                              "8",
                                              "16",
                                              "255",
                                              "256",
                                              "257",
                                              "65535",
                                              "65536",
                                              "65537",
                                              "2147483648",
                                              "4294967295",
                                              "4294967296",
                                              "1152921504606846976",
                                              "2305843009213693952",
                                              "4611686018427387904",
                                              "9223372036854775807",
                                              "9223372036854775808",
                                              "18446744073709551615",
                                              "18446744073709551616"};
        const char *number = numbers[random_bits() % (sizeof numbers / sizeof *numbers)];
        const size_t digits = strlen(number);
        if (end > start && length - (end - start) + digits + 64 <= room) {
            memmove(text + start + digits, text + end, length - end);
            memcpy(text + start, number, digits);
            length = length - (end - start) + digits;
        }
    } else {
        length = LLVMFuzzerMutate(text, length, room - 64);
    }
    const size_t padded = (8 + length + 63) / 64 * 64 - 8;
    if (8 + padded + data_bytes <= max_size) {
        const uint64_t stored = padded;
        memcpy(file, &stored, 8);
        memset(file + 8, ' ', padded);
        memcpy(file + 8, text, length);
        memcpy(file + 8 + padded, data, data_bytes);
        size = 8 + padded + data_bytes;
    }
    free(text);
    free(data);
    return size;
}

/* Writes `hash` as the value of metadata `checksum.<name>`, where the header has one of 16 digits. */
static void set_checksum(uint8_t *file, const char *name, uint64_t hash) {
    char key[128];
    const int key_bytes = snprintf(key, sizeof key, "\"checksum.%s\":\"", name);
    const size_t end = 8 + (size_t)length_of(file);
    if (key_bytes < 0 || (size_t)key_bytes >= sizeof key) return;
    for (size_t i = 8; i + (size_t)key_bytes + 17 <= end; i++) {
        uint8_t *digits = file + i + key_bytes;
        if (memcmp(file + i, key, (size_t)key_bytes) != 0 || digits[16] != '"') continue;
        for (int d = 0; d < 16; d++) digits[d] = (uint8_t) "0123456789abcdef"[hash >> (60 - 4 * d) & 15];
        return;
    }
}

/* Makes the checksums right, so that verify goes on to what they hide. */
static void repair_checksums(uint8_t *file, size_t size) {
    uint8_t *copy = malloc(size);
    memcpy(copy, file, size);
    dpq_table *table;
    if (dpq_table_open_memory(copy, size, &table, NULL) == DPQ_OK) {
        for (size_t i = 0; i < dpq_table_section_count(table); i++) {
            dpq_section section = {.struct_size = sizeof section};
            dpq_table_section_at(table, i, &section);
            set_checksum(file, section.name, XXH3_64bits(section.data, (size_t)section.bytes));
        }
        set_checksum(file, "header", 0);
        set_checksum(file, "header", XXH3_64bits(file + 8, (size_t)length_of(file)));
        dpq_table_close(table);
    }
    free(copy);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    random_state = seed;
    const int is_framed = size >= 8 && length_of(data) >= 2 && length_of(data) <= size - 8;
    const unsigned choice = (unsigned)(random_bits() % 8);
    if (!is_framed || choice == 0) return LLVMFuzzerMutate(data, size, max_size);
    if (choice < 5) {
        size = mutate_header(data, size, max_size);
    } else {
        /* The data, at the same length. */
        const size_t start = 8 + (size_t)length_of(data), bytes = size - start;
        if (bytes) {
            uint8_t *copy = malloc(bytes);
            memcpy(copy, data + start, bytes);
            const size_t changed = LLVMFuzzerMutate(copy, bytes, bytes);
            memcpy(data + start, copy, changed);
            free(copy);
        }
    }
    if (random_bits() % 4) repair_checksums(data, size);
    return size;
}
