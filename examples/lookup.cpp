// Prints the five nearest words of each word named: lookup TABLE.dpq WORD...
//
//   c++ -std=c++17 lookup.cpp -o lookup $(pkg-config --cflags --libs dpq)
#include <dpq.hpp>
#include <iostream>

int main(int count, char **arguments) try {
    if (count < 2) return std::cerr << "usage: lookup TABLE.dpq WORD...\n", 64;
    const dpq::table table(arguments[1]);
    for (int i = 2; i < count; i++) {
        const auto id = table.find(arguments[i]);
        if (!id) return std::cerr << arguments[i] << " is not in the table\n", 1;
        const std::vector<float> row = table.row(*id);
        std::cout << arguments[i] << " (row " << *id << "): " << row[0] << " ...\n";
        for (const dpq::neighbor &near : table.neighbors(row, 5, dpq::search::cosine, *id))
            std::cout << "  " << near.score << ' ' << table.word(near.id) << '\n';
    }
} catch (const dpq::error &failure) {
    std::cerr << failure.what() << '\n';
    return 1;
}
