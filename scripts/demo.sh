#!/bin/sh
# Compresses a real embedding table at two settings and looks rows up from the files.
#
#   scripts/demo.sh path/to/dpq
#
# The table: wordllama's 32 000 x 256 token embeddings (MIT), from PyPI, kept in .cache/. Without a network: one made here.
set -eu

case $1 in
  /*) dpq=$1 ;;
  *) dpq=$PWD/$1 ;;
esac
cd "$(dirname "$0")/.."
cache=.cache/demo
mkdir -p "$cache"
rm -f "$cache"/*.dpq "$cache"/*.txt.part

package=wordllama
version=0.4.0.post1
wheel_name=wordllama-0.4.0.post1-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl
wheel_sum=42c2c88907ace0b0681ac6f9092d6a300a6409a5d2d61071a3fb5e7159370c97
table_sum=64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5
words_sum=93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68

has_sum() { [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d ' ' -f 1)" = "$2" ]; }

download() {
  folder=$1
  if python3 -m pip --version >/dev/null 2>&1; then
    python3 -m pip download --quiet --disable-pip-version-check --retries 1 --timeout 20 --no-deps \
      --only-binary=:all: --python-version 3.11 --implementation cp --platform manylinux2014_x86_64 \
      --dest "$folder" "$package==$version" && return
  fi
  url=$(curl -fsSL --max-time 30 "https://pypi.org/simple/$package/" |
    sed -n "s/.*href=\"\([^\"#]*\/$wheel_name\)[\"#].*/\1/p" | head -n 1)
  [ -n "$url" ] && curl -fsSL --max-time 120 -o "$folder/$wheel_name" "$url"
}

# Puts table.safetensors and words.json into the cache, checked; fails where PyPI cannot be reached.
fetch() {
  has_sum "$cache/table.safetensors" "$table_sum" && has_sum "$cache/words.json" "$words_sum" && return
  echo "Fetching $package $version from PyPI (19 MB) ..."
  rm -rf "$cache/wheel"
  mkdir "$cache/wheel"
  download "$cache/wheel" 2>/dev/null || return 1
  has_sum "$cache/wheel/$wheel_name" "$wheel_sum" || {
    echo "What came is not the expected file; it is not used."
    return 1
  }
  unzip -qo "$cache/wheel/$wheel_name" "wordllama/weights/*" "wordllama/tokenizers/*" -d "$cache/wheel" &&
    mv "$cache/wheel/wordllama/weights/l2_supercat_256.safetensors" "$cache/table.safetensors" &&
    mv "$cache/wheel/wordllama/tokenizers/l2_supercat_tokenizer_config.json" "$cache/words.json" &&
    rm -rf "$cache/wheel" &&
    has_sum "$cache/table.safetensors" "$table_sum" && has_sum "$cache/words.json" "$words_sum"
}

# Writes a table in GloVe's text form with the structure of a real one: words belong to topics whose sizes follow Zipf's
# law, rows lie around their topic's centre, frequent words are shorter; and the words' frequencies beside it.
make_table() {
  LC_ALL=C awk -v rows=20000 -v dimension=64 -v topics=400 -v frequencies="$2" '
    function uniform() { state = (16807 * state) % 2147483647; return state / 2147483647 }
    function normal() { return 1.732 * (uniform() + uniform() + uniform() + uniform() - 2) }
    BEGIN {
      state = 20200713
      split("ba be bi bo da de di do ka ke ki ko la le li lo ma me mi mo", syllable, " ")
      for (t = 0; t < topics; t++) {
        name[t] = syllable[t % 20 + 1] syllable[int(t / 20) % 20 + 1]
        for (c = 0; c < dimension; c++) centre[t, c] = normal() / (1 + c / 16)
        total += 1 / (t + 1)
        bound[t] = total
      }
      for (i = 0; i < rows; i++) {
        place = uniform() * total
        for (t = 0; bound[t] < place; t++) ;
        length_factor = 0.6 + 0.4 * log(i + 2) / log(rows)
        line = name[t] "-" ++members[t]
        printf "%s %d\n", line, 1e7 / (i + 10) >frequencies
        for (c = 0; c < dimension; c++)
          line = line sprintf(" %.4f", length_factor * (centre[t, c] + 0.5 * normal() / (1 + c / 32)))
        print line
      }
    }' >"$1.part"
  mv "$1.part" "$1"
}

# Prints lists of "word score" lines next to one another, every column under its title.
side_by_side() {
  LC_ALL=C awk -v titles="$1" '
    # Bytes that continue a UTF-8 character take no room; those that start a Chinese, Japanese or Korean one, twice as much.
    function pad(text, width,  shown) {
      shown = text
      gsub(/[\200-\277]/, "", shown)
      gsub(/[\343-\355]/, "&&", shown)
      while (length(shown) < width) { shown = shown " "; text = text " " }
      return text
    }
    FNR == 1 { column++ }
    { score = $NF; sub(/ +[^ ]+$/, ""); cell[column, FNR] = pad($0, 18) " " score; if (FNR > rows) rows = FNR }
    END {
      count = split(titles, title, "|")
      for (row = 0; row <= rows; row++) {
        line = "  "
        for (c = 1; c <= count; c++) line = line pad(row ? cell[c, row] : title[c], 28)
        sub(/ +$/, "", line)
        print line
      }
    }' "$2" "$3" "$4"
}

# Shows a command, then runs it. The paths used here hold no spaces, so the words of $options and $words may be split.
run() {
  echo
  echo "\$ dpq $*"
  "$dpq" "$@"
}

if fetch; then
  table=$cache/table.safetensors
  options="--tensor embedding.weight --vocabulary $cache/words.json"
  weights=""
  words="▁king ▁river ▁piano"
  query="▁Monday"
  echo "The table: wordllama's token embeddings, 32 000 x 256, float16 (MIT licence)."
else
  table=$cache/made.txt
  options=""
  weights="--weights $cache/made.frequencies"
  words="baba-1 bebe-1 dada-1"
  query="baba-7"
  echo "PyPI cannot be reached, so this is no real table: one of the same structure, 20 000 x 64, is made instead."
  [ -f "$table" ] && [ -f "$cache/made.frequencies" ] || make_table "$table" "$cache/made.frequencies"
fi

# shellcheck disable=SC2086
{
  run compress "$table" $options $weights --ratio 16 -o "$cache/16.dpq"
  run compress "$table" $options $weights --ratio 60 --method vq -o "$cache/60.dpq"

  echo
  echo "\$ dpq get $cache/16.dpq $words        (the first eight values)"
  "$dpq" get "$cache/16.dpq" $words | cut -d ' ' -f 1-9

  echo
  echo "Nearest to $query (cosine), in the table and straight from the compressed files:"
  echo
  "$dpq" neighbors "$table" $options "$query" >"$cache/neighbors.table"
}
for ratio in 16 60; do "$dpq" neighbors "$cache/$ratio.dpq" "$query" >"$cache/neighbors.$ratio"; done
side_by_side "the table|about 16x|about 60x" "$cache/neighbors.table" "$cache/neighbors.16" "$cache/neighbors.60"

echo
echo "Sizes in bytes:"
for file in "$table" "$cache/16.dpq" "$cache/60.dpq"; do
  printf '%12d  %s\n' "$(wc -c <"$file")" "$file"
done
