/* dpq.hpp: the same answers as dpq.h, whose own tests compare them with float64. test_wrapper TABLE. */
#include <dpq.hpp>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <type_traits>

#include "check.h"

int failures;
const char *subject = "wrapper";

static_assert(!std::is_copy_constructible_v<dpq::table> && !std::is_copy_assignable_v<dpq::table>);
static_assert(std::is_nothrow_move_constructible_v<dpq::table> && std::is_nothrow_move_assignable_v<dpq::table>);

template <typename Call> static void check_refusal(const char *what, dpq_status expected, Call call) {
    try {
        call();
        CHECK(false, "%s: no exception", what);
    } catch (const dpq::error &failure) {
        CHECK(failure.status() == expected && *failure.what(), "%s: %d, %s", what, failure.status(), failure.what());
    }
}

/* What lookup of the C interface says of a row. */
static std::vector<float> expected_row(const dpq::table &table, std::int64_t id) {
    std::vector<float> row(table.dimension());
    CHECK(dpq_table_lookup(table.get(), &id, 1, DPQ_OUTSIDE_ERROR, row.data(), row.size(), nullptr) == DPQ_OK, "row");
    return row;
}

static void check_words(const dpq::table &table) {
    const auto id = table.find("w20");
    CHECK(id && *id == 20, "find");
    CHECK(!table.find("no such word"), "absent");
    CHECK(table.find("") == std::int64_t(0) && table.find(std::string_view()) == std::int64_t(0), "the empty word");
    CHECK(table.find(std::string("new york")) == std::int64_t(6), "a word with a space");
    CHECK(table.word(20) == "w20" && table.word(5) == "\xF0\x9F\x98\x80", "word");
    check_refusal("word", DPQ_ERROR_RANGE, [&] { table.word(-1); });
}

static void check_rows(const dpq::table &table) {
    const std::size_t d = table.dimension();
    const std::vector<std::int64_t> ids{20, 0, 199, 20};
    const std::vector<float> rows = table.lookup(ids);
    CHECK(rows.size() == 4 * d, "lookup");
    for (std::size_t i = 0; i < ids.size(); i++) {
        const std::vector<float> row = expected_row(table, ids[i]);
        CHECK(std::equal(row.begin(), row.end(), rows.begin() + std::ptrdiff_t(i * d)), "row %zu", i);
        CHECK(table.row(ids[i]) == row, "row %zu", i);
    }
    std::vector<float> wide(4 * (d + 2), -1);
    table.lookup(ids.data(), ids.size(), wide.data(), d + 2);
    CHECK(std::memcmp(&wide[d + 2], &rows[d], d * sizeof(float)) == 0 && wide[d] == -1, "stride");
    CHECK(table.lookup(std::vector<std::int64_t>{}).empty(), "no ids");
    CHECK(table.lookup({-1}, dpq::outside::zero) == std::vector<float>(d), "zero row");
    CHECK(table.lookup({1000}, dpq::outside::last) == expected_row(table, 199), "last row");
    check_refusal("lookup", DPQ_ERROR_RANGE, [&] { table.lookup({0, 200}); });
    CHECK(table.read(199, 1) == expected_row(table, 199) && table.read(0, 200).size() == 200 * d, "read");
    check_refusal("read", DPQ_ERROR_RANGE, [&] { table.read(199, 2); });
    check_refusal("read", DPQ_ERROR_RANGE, [&] { table.read(1, SIZE_MAX); });

    const std::int64_t twenty = 20;
    std::vector<std::uint16_t> brief(d);
    table.lookup_as(DPQ_BF16, &twenty, 1, brief.data());
    for (std::size_t c = 0; c < d; c++) {
        const std::uint32_t bits = std::uint32_t(brief[c]) << 16;
        float value;
        std::memcpy(&value, &bits, sizeof value);
        CHECK(std::fabs(value - rows[c]) <= std::fabs(rows[c]) / 256, "column %zu", c);
    }

    const std::vector<float> sums = table.sum_bags(ids, {0, 1, 1});
    CHECK(sums.size() == 3 * d, "bags");
    for (std::size_t c = 0; c < d; c++) {
        const float sum = rows[d + c] + rows[2 * d + c] + rows[3 * d + c];
        CHECK(sums[c] == rows[c] && sums[d + c] == 0 && std::fabs(sums[2 * d + c] - sum) < 1e-4f, "column %zu", c);
    }
    const std::vector<float> means = table.sum_bags(ids, {0}, dpq::bag::mean);
    const std::vector<float> weighted = table.sum_bags(ids, {0}, dpq::bag::sum, {0.25f, 0.25f, 0.25f, 0.25f});
    for (std::size_t c = 0; c < d; c++) CHECK(std::fabs(means[c] - weighted[c]) < 1e-4f, "column %zu", c);
    check_refusal("weights", DPQ_ERROR_ARGUMENT, [&] { table.sum_bags(ids, {0}, dpq::bag::sum, {1}); });
    check_refusal("offsets", DPQ_ERROR_ARGUMENT, [&] { table.sum_bags(ids, {1}); });
}

static void check_queries(const dpq::table &table) {
    const std::vector<float> query = table.row(20), products = table.dot(query);
    CHECK(products.size() == 200, "dot");
    for (std::int64_t id = 0; id < 200; id++) {
        double sum = 0, size = 0;
        const std::vector<float> row = expected_row(table, id);
        for (std::size_t c = 0; c < query.size(); c++)
            sum += double(query[c]) * row[c], size += std::fabs(query[c] * row[c]);
        CHECK(std::fabs(products[std::size_t(id)] - sum) <= 1e-5 * size, "row %d", int(id));
    }
    const std::vector<float> some = table.dot(query, {7, 20});
    CHECK(some.size() == 2 && some[0] == products[7] && some[1] == products[20], "dot of ids");
    CHECK(table.dot(query, {}).empty(), "dot of no ids");
    check_refusal("dot", DPQ_ERROR_ARGUMENT, [&] { table.dot(std::vector<float>(3)); });
    check_refusal("dot", DPQ_ERROR_RANGE, [&] { table.dot(query, {200}); });

    const auto near = table.neighbors(query, 5, dpq::search::l2);
    CHECK(near.size() == 5 && near[0].score <= near[4].score && near[0].score < 1e-3f, "neighbors");
    const auto others = table.neighbors(query, 1000, dpq::search::cosine, 20);
    CHECK(others.size() == 199, "%zu neighbors", others.size());
    for (const dpq::neighbor &other : others) CHECK(other.id != 20, "excluded");
    CHECK(table.neighbors(query, 0).empty(), "no neighbors");
    check_refusal("neighbors", DPQ_ERROR_ARGUMENT, [&] { table.neighbors(std::vector<float>(query.size(), NAN), 3); });
}

int main(int count, char **arguments) {
    if (count != 2) return 64;
    const std::string path = arguments[1];
    check_refusal("open", DPQ_ERROR_NOT_FOUND, [&] { dpq::table missing(path + ".missing"); });
    check_refusal("open", DPQ_ERROR_ARGUMENT, [] { dpq::table nothing(nullptr, 0); });

    dpq::table table(path);
    CHECK(table.rows() == 200 && table.dimension() == 50 && table.has_vocabulary(), "shape");
    CHECK(table.description().metric == DPQ_METRIC_COSINE && table.metadata("format") == "dpq", "description");
    CHECK(!table.metadata("no such key"), "metadata");
    const std::vector<dpq_tier_description> tiers = table.tiers();
    CHECK(tiers.size() == 1 && tiers[0].rows == 200 && tiers[0].kind == DPQ_TIER_CONCAT, "tiers");
    CHECK(tiers[0].groups * tiers[0].bits <= 8 * tiers[0].row_bytes && tiers[0].codes > 1, "tier");
    CHECK(table.tiers_of({199, 0}) == std::vector<std::uint8_t>(2), "tiers of rows");
    check_refusal("tiers", DPQ_ERROR_RANGE, [&] { table.tiers_of({200}); });
    table.verify();
    check_words(table);
    check_rows(table);
    check_queries(table);

    dpq::table other = std::move(table);
    CHECK(!table.get() && table.rows() == 0 && other.rows() == 200, "moved");
    table = dpq::table(path, dpq::open::read);
    CHECK(table.row(3) == other.row(3), "move assignment");

    std::ifstream file(path, std::ios::binary);
    std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    const dpq::table in_memory(bytes.data(), bytes.size());
    CHECK(in_memory.row(199) == other.row(199), "memory");
    bytes.back() ^= 1;
    check_refusal("verify", DPQ_ERROR_CHECKSUM, [&] { in_memory.verify(); });
    std::printf("%d failures\n", failures);
    return failures != 0;
}
