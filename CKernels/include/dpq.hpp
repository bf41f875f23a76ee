/* dpq.hpp - dpq.h for C++17: an open table as a value that closes itself, errors as exceptions.
 *
 *     dpq::table table("words.dpq");
 *     if (auto id = table.find("cat"))
 *         for (const dpq::neighbor &near : table.neighbors(table.row(*id), 10, dpq::search::cosine, *id))
 *             std::cout << table.word(near.id) << ' ' << near.score << '\n';
 *
 * What dpq.h says of ownership and threads holds here: every const member may be called from many threads at once, and
 * words point into the table. Members that return vectors allocate them; those that take `out` do not allocate, but for
 * the workspace of lookup_as, dot and neighbors. */
#ifndef DPQ_HPP
#define DPQ_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dpq.h"

namespace dpq {

/* What a call came to, where it did not come to DPQ_OK. */
class error : public std::runtime_error {
  public:
    error(dpq_status status, const std::string &message) : std::runtime_error(message), status_(status) {}
    dpq_status status() const noexcept { return status_; }

  private:
    dpq_status status_;
};

/* Where the bytes of a table come from; dpq.h says what each means. */
enum class open : std::uint32_t { map = DPQ_OPEN_MAP, read = DPQ_OPEN_READ, large_pages = DPQ_OPEN_LARGE_PAGES };

/* What an id outside the table gives. */
enum class outside : dpq_outside { error = DPQ_OUTSIDE_ERROR, zero = DPQ_OUTSIDE_ZERO, last = DPQ_OUTSIDE_LAST };

/* What a bag of rows gives. */
enum class bag : dpq_bag { sum = DPQ_BAG_SUM, mean = DPQ_BAG_MEAN };

/* How rows are compared with a query. */
enum class search : dpq_search { cosine = DPQ_SEARCH_COSINE, dot = DPQ_SEARCH_DOT, l2 = DPQ_SEARCH_L2 };

struct neighbor {
    std::int64_t id;
    float score;
};

/* An open table. Moves, does not copy; a table moved from may only be assigned to or destroyed. */
class table {
  public:
    /* Opens a file. Throws dpq::error. */
    explicit table(const std::string &path, open how = open::map) {
        const dpq_open_options options{sizeof options, static_cast<std::uint32_t>(how)};
        dpq_error failure;
        if (dpq_table_open(path.c_str(), &options, &handle_, &failure) != DPQ_OK) raise(failure);
        describe();
    }

    /* Opens the bytes of a file, aligned to 8, which must outlive the table. Throws dpq::error. */
    table(const void *data, std::size_t bytes) {
        dpq_error failure;
        if (dpq_table_open_memory(data, bytes, &handle_, &failure) != DPQ_OK) raise(failure);
        describe();
    }

    table(const table &) = delete;
    table &operator=(const table &) = delete;
    table(table &&other) noexcept
        : handle_(std::exchange(other.handle_, nullptr)), description_(std::exchange(other.description_, {})) {}
    table &operator=(table &&other) noexcept {
        std::swap(handle_, other.handle_);
        std::swap(description_, other.description_);
        return *this;
    }
    ~table() { dpq_table_close(handle_); }

    std::size_t rows() const noexcept { return static_cast<std::size_t>(description_.rows); }
    std::size_t dimension() const noexcept { return static_cast<std::size_t>(description_.dimension); }
    bool has_vocabulary() const noexcept { return description_.has_vocabulary != 0; }
    const dpq_description &description() const noexcept { return description_; }

    /* How the rows of each tier are coded: one tier, or several in ascending order of bits a row. */
    std::vector<dpq_tier_description> tiers() const {
        std::vector<dpq_tier_description> out(description_.tiers);
        for (std::uint32_t t = 0; t < description_.tiers; t++) {
            out[t].struct_size = sizeof out[t];
            dpq_table_describe_tier(handle_, t, &out[t]);
        }
        return out;
    }

    /* The tier of each row of ids. */
    std::vector<std::uint8_t> tiers_of(const std::vector<std::int64_t> &ids) const {
        std::vector<std::uint8_t> out(ids.size());
        dpq_error failure;
        if (dpq_table_tiers(handle_, ids.data(), ids.size(), out.data(), &failure) != DPQ_OK) raise(failure);
        return out;
    }

    /* The table of the C interface, still owned by this object. */
    const dpq_table *get() const noexcept { return handle_; }

    /* Row of a word, or nothing where the table does not hold it. Throws where the table has no words at all. */
    std::optional<std::int64_t> find(std::string_view word) const {
        std::int64_t id = 0;
        dpq_error failure;
        const dpq_status status = dpq_table_find(handle_, word.data(), word.size(), &id, &failure);
        if (status == DPQ_ERROR_NOT_FOUND) return std::nullopt;
        if (status != DPQ_OK) raise(failure);
        return id;
    }

    /* The word of a row; it lives as long as the table. */
    std::string_view word(std::int64_t id) const {
        const char *start = nullptr;
        std::size_t bytes = 0;
        dpq_error failure;
        if (dpq_table_word(handle_, id, &start, &bytes, &failure) != DPQ_OK) raise(failure);
        return {start, bytes};
    }

    /* Row `id`, dimension() values. */
    std::vector<float> row(std::int64_t id) const {
        std::vector<float> out(dimension());
        lookup(&id, 1, out.data());
        return out;
    }

    /* Rows ids[count] to out[count][stride]; a stride of 0 means dimension(). */
    void lookup(const std::int64_t *ids, std::size_t count, float *out, std::size_t stride = 0,
                outside rule = outside::error) const {
        dpq_error failure;
        if (dpq_table_lookup(handle_, ids, count, static_cast<dpq_outside>(rule), out, stride_or_dimension(stride),
                             &failure) != DPQ_OK)
            raise(failure);
    }

    /* The same to a new vector [ids.size()][dimension()]. */
    std::vector<float> lookup(const std::vector<std::int64_t> &ids, outside rule = outside::error) const {
        std::vector<float> out = floats(ids.size());
        lookup(ids.data(), ids.size(), out.data(), 0, rule);
        return out;
    }

    /* Rows ids[count] as float16 (DPQ_F16) or bfloat16 (DPQ_BF16) to out[count][stride]. */
    void lookup_as(dpq_scalar type, const std::int64_t *ids, std::size_t count, std::uint16_t *out,
                   std::size_t stride = 0, outside rule = outside::error) const {
        std::vector<char> workspace(dpq_table_lookup_as_workspace_bytes(handle_));
        dpq_error failure;
        if (dpq_table_lookup_as(handle_, ids, count, static_cast<dpq_outside>(rule), type, out,
                                stride_or_dimension(stride), workspace.data(), workspace.size(), &failure) != DPQ_OK)
            raise(failure);
    }

    /* Rows [first, first + count) to out[count][stride]. */
    void read(std::uint64_t first, std::size_t count, float *out, std::size_t stride = 0) const {
        dpq_error failure;
        if (dpq_table_read(handle_, first, count, out, stride_or_dimension(stride), &failure) != DPQ_OK) raise(failure);
    }

    std::vector<float> read(std::uint64_t first, std::size_t count) const {
        if (first > rows() || count > rows() - first)
            throw error(DPQ_ERROR_RANGE, dpq_status_text(DPQ_ERROR_RANGE)); /* before memory is asked for */
        std::vector<float> out = floats(count);
        read(first, count, out.data());
        return out;
    }

    /* Sums or means of runs of rows, as dpq_table_bag: bag b is ids[offsets[b]] up to ids[offsets[b + 1]]. `weights`
     * may be nullptr. out[bag_count][stride]. */
    void sum_bags(const std::int64_t *ids, std::size_t id_count, const std::int64_t *offsets, std::size_t bag_count,
                  const float *weights, float *out, bag mode = bag::sum, std::size_t stride = 0,
                  outside rule = outside::error) const {
        dpq_error failure;
        if (dpq_table_bag(handle_, ids, id_count, offsets, bag_count, weights, static_cast<dpq_bag>(mode),
                          static_cast<dpq_outside>(rule), out, stride_or_dimension(stride), &failure) != DPQ_OK)
            raise(failure);
    }

    /* The same to a new vector [offsets.size()][dimension()]; `weights` is empty or holds one factor an id. */
    std::vector<float> sum_bags(const std::vector<std::int64_t> &ids, const std::vector<std::int64_t> &offsets,
                                bag mode = bag::sum, const std::vector<float> &weights = {},
                                outside rule = outside::error) const {
        if (!weights.empty() && weights.size() != ids.size())
            throw error(DPQ_ERROR_ARGUMENT, "sum_bags: there must be one weight an id");
        std::vector<float> out = floats(offsets.size());
        sum_bags(ids.data(), ids.size(), offsets.data(), offsets.size(), weights.empty() ? nullptr : weights.data(),
                 out.data(), mode, 0, rule);
        return out;
    }

    /* Products of query[dimension()] with every row, to out[rows()]. No row is decoded. */
    void dot(const float *query, float *out) const { products(query, nullptr, rows(), out); }

    /* Products of query[dimension()] with the rows ids[count], to out[count]. */
    void dot(const float *query, const std::int64_t *ids, std::size_t count, float *out) const {
        if (count) products(query, ids, count, out);
    }

    std::vector<float> dot(const std::vector<float> &query) const {
        check_query(query);
        std::vector<float> out(rows());
        dot(query.data(), out.data());
        return out;
    }

    std::vector<float> dot(const std::vector<float> &query, const std::vector<std::int64_t> &ids) const {
        check_query(query);
        std::vector<float> out(ids.size());
        dot(query.data(), ids.data(), ids.size(), out.data());
        return out;
    }

    /* The k rows nearest to query[dimension()], best first, without row `excluded` (-1 for none). */
    std::vector<neighbor> neighbors(const float *query, std::size_t k, search how = search::cosine,
                                    std::int64_t excluded = -1) const {
        if (k > rows()) k = rows();
        std::vector<char> workspace(dpq_table_neighbors_workspace_bytes(handle_, k));
        std::vector<std::int64_t> ids(k);
        std::vector<float> scores(k);
        std::size_t count = 0;
        dpq_error failure;
        if (dpq_table_neighbors(handle_, query, static_cast<dpq_search>(how), k, excluded, workspace.data(),
                                workspace.size(), ids.data(), scores.data(), &count, &failure) != DPQ_OK)
            raise(failure);
        std::vector<neighbor> out(count);
        for (std::size_t i = 0; i < count; i++) out[i] = {ids[i], scores[i]};
        return out;
    }

    std::vector<neighbor> neighbors(const std::vector<float> &query, std::size_t k, search how = search::cosine,
                                    std::int64_t excluded = -1) const {
        check_query(query);
        return neighbors(query.data(), k, how, excluded);
    }

    /* Compares every checksum and the contents. Throws dpq::error where they do not hold. */
    void verify() const {
        dpq_error failure;
        if (dpq_table_verify(handle_, &failure) != DPQ_OK) raise(failure);
    }

    /* The value of a metadata key of the file, or nothing. It lives as long as the table. */
    std::optional<std::string_view> metadata(const std::string &key) const {
        const char *value = dpq_table_metadata(handle_, key.c_str());
        return value ? std::optional<std::string_view>(value) : std::nullopt;
    }

  private:
    [[noreturn]] static void raise(const dpq_error &failure) { throw error(failure.status, failure.message); }

    void describe() noexcept {
        description_.struct_size = sizeof description_;
        dpq_table_describe(handle_, &description_);
    }

    std::size_t stride_or_dimension(std::size_t stride) const noexcept { return stride ? stride : dimension(); }

    std::vector<float> floats(std::size_t count) const {
        if (count > std::vector<float>().max_size() / dimension())
            throw error(DPQ_ERROR_MEMORY, dpq_status_text(DPQ_ERROR_MEMORY));
        return std::vector<float>(count * dimension());
    }

    void check_query(const std::vector<float> &query) const {
        if (query.size() != dimension())
            throw error(DPQ_ERROR_ARGUMENT, "the query has " + std::to_string(query.size()) +
                                                " values, the rows of the table " + std::to_string(dimension()));
    }

    void products(const float *query, const std::int64_t *ids, std::size_t count, float *out) const {
        std::vector<char> workspace(dpq_table_dot_workspace_bytes(handle_));
        dpq_error failure;
        if (dpq_table_dot(handle_, query, ids, 0, count, workspace.data(), workspace.size(), out, &failure) != DPQ_OK)
            raise(failure);
    }

    dpq_table *handle_ = nullptr;
    dpq_description description_{};
};

} // namespace dpq

#endif
