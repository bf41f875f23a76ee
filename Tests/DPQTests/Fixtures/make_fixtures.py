"""Makes the files in this folder with the ecosystems' own writers. Run: python3 make_fixtures.py

Needs numpy, safetensors, gensim and fasttext. Everything follows from the seed below, except the fastText model,
whose training is repeatable only with one thread; its expected vectors are made from the same run.
Expected values stand beside each file as float32 .npy (`<name>.expected.npy`) where they are not `table.expected.npy`.
"""
import gzip
import json
import os
import struct
import subprocess
import zipfile

import numpy as np
from gensim.models import KeyedVectors
from safetensors.numpy import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
os.chdir(HERE)
rng = np.random.default_rng(20261122)

ROWS, DIMENSION = 23, 6
table = rng.standard_normal((ROWS, DIMENSION)).astype(np.float32)
table[3] *= np.float32(1e-30)
table[4] *= np.float32(1e30)
table[5, :3] = [0.0, -0.0, np.float32(1e-42)]
words = ["the", "1", "2.5", "</s>", "naïve", "日本語", "-0.5", "nan", "e5", "windows_95", "a:b", "don't", "\u00a0x"]
words += [f"word{i}" for i in range(ROWS - len(words))]
half = rng.standard_normal((ROWS, DIMENSION)).astype(np.float16)

np.save("table.expected.npy", table)
with open("words.txt", "w", encoding="utf-8", newline="\n") as file:
    file.write("".join(word + "\n" for word in words))

# NumPy: versions, types, byte orders, both memory orders.
def save(name, array, version=(1, 0)):
    with open(name, "wb") as file:
        np.lib.format.write_array(file, array, version=version)

save("c_f32_v1.npy", table)
save("c_f32_v2.npy", table, (2, 0))
save("c_f32_v3.npy", table, (3, 0))
save("f_f32.npy", np.asfortranarray(table))
save("c_f32_big.npy", table.astype(">f4"))
save("f_f64_big.npy", np.asfortranarray(table.astype(">f8")))
save("c_f64.npy", table.astype(np.float64))
save("c_f16.npy", half)
save("f_f16.npy", np.asfortranarray(half))
np.save("half.expected.npy", half.astype(np.float32))
save("int64.npy", np.arange(12).reshape(3, 4))
save("one_axis.npy", np.arange(5, dtype=np.float32))
save("three_axes.npy", np.zeros((2, 3, 4), np.float32))
save("no_rows.npy", np.zeros((0, 4), np.float32))
save("no_columns.npy", np.zeros((4, 0), np.float32))
save("weights_i64.npy", np.arange(1, ROWS + 1))
np.savez("one.npz", table=table, names=np.array(words), ids=np.arange(ROWS))
np.savez_compressed("one_deflated.npz", table=table, names=np.array(words))
np.savez("two.npz", first=table, second=half)
with zipfile.ZipFile("zip64.npz", "w") as archive:
    with archive.open("table.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, table)

# safetensors.
save_file({"embedding.weight": table, "bias": table[0], "ids": np.arange(ROWS)}, "one.safetensors")
save_file({"a": table, "b": half, "c": table.astype(np.float64)}, "three.safetensors", {"made": "by a test"})
try:
    import torch
    from safetensors.torch import save_file as save_torch

    bf16 = torch.from_numpy(table).to(torch.bfloat16)
    save_torch({"embedding.weight": bf16}, "bf16.safetensors")
    np.save("bf16.expected.npy", bf16.float().numpy())
except ImportError:
    print("bf16.safetensors is left as it is: torch is missing")

# word2vec and GloVe, as gensim writes them; fastText's .vec has a space at the end of each line.
vectors = KeyedVectors(DIMENSION)
vectors.add_vectors(words, table)
vectors.save_word2vec_format("word2vec.txt", binary=False)
vectors.save_word2vec_format("word2vec.bin", binary=True)
vectors.save_word2vec_format("glove.txt", binary=False, write_header=False)
with open("word2vec_newlines.bin", "wb") as file:  # as word2vec.c writes
    file.write(f"{ROWS} {DIMENSION}\n".encode())
    for word, row in zip(words, table):
        file.write(word.encode() + b" " + row.tobytes() + b"\n")
spaced = ["a b", ". . .", "at name@domain.com"] + words[3:]
with open("glove_spaces.txt", "w", encoding="utf-8", newline="\n") as file:
    for word, row in zip(spaced, table):
        file.write(word + " " + " ".join(repr(float(value)) for value in row) + "\n")
with open("spaced_words.txt", "w", encoding="utf-8", newline="\n") as file:
    file.write("".join(word + "\n" for word in spaced))
# Counted binary formats, by their definitions.
with open("table.fbin", "wb") as file:
    file.write(struct.pack("<II", ROWS, DIMENSION) + table.tobytes())
with open("table.fvecs", "wb") as file:
    for row in table:
        file.write(struct.pack("<i", DIMENSION) + row.tobytes())

# Compressed.
for name in ["word2vec.txt", "glove.txt", "c_f32_v1.npy", "table.fvecs"]:
    with open(name, "rb") as source, open(name + ".gz", "wb") as target:
        with gzip.GzipFile(filename="", mode="wb", fileobj=target, mtime=0) as packed:
            packed.write(source.read())
    subprocess.run(["zstd", "-q", "-f", name, "-o", name + ".zst"], check=True)

# fastText: skipgram with n-grams, without n-grams, supervised, and quantized.
try:
    import fasttext

    pool = ["über", "naïve", "日本", "кот", "the", "cat", "sat", "mat", "running", "runner", "ran", "x"]
    with open("corpus.tmp", "w", encoding="utf-8", newline="\n") as file:
        for _ in range(60):
            file.write(" ".join(rng.choice(pool, 6)) + "\n")
    with open("labels.tmp", "w", encoding="utf-8", newline="\n") as file:
        for i in range(60):
            file.write(f"__label__{i % 2} " + " ".join(rng.choice(pool, 6)) + "\n")

    def save_model(model, name):
        model.save_model(name + ".bin")
        names = model.get_words()
        np.save(name + ".expected.npy", np.stack([model.get_word_vector(word) for word in names]))
        with open(name + ".words.txt", "w", encoding="utf-8", newline="\n") as file:
            file.write("".join(word + "\n" for word in names))

    common = dict(dim=8, minCount=1, epoch=2, thread=1, verbose=0)
    save_model(fasttext.train_unsupervised("corpus.tmp", bucket=100, minn=2, maxn=4, **common), "fasttext_ngrams")
    save_model(fasttext.train_unsupervised("corpus.tmp", bucket=100, minn=1, maxn=1, **common), "fasttext_letters")
    save_model(fasttext.train_unsupervised("corpus.tmp", minn=0, maxn=0, **common), "fasttext_words")
    supervised = fasttext.train_supervised("labels.tmp", bucket=100, minn=2, maxn=3, wordNgrams=2, **common)
    save_model(supervised, "fasttext_supervised")
    supervised = fasttext.train_supervised("labels.tmp", bucket=300, minn=2, maxn=3, **common)
    supervised.quantize(input="labels.tmp", qnorm=False, dsub=2, verbose=0)
    supervised.save_model("fasttext_quantized.ftz")
    os.remove("corpus.tmp")
    os.remove("labels.tmp")
except ImportError:
    print("the fastText models are left as they are: fasttext is missing")

# Tokenizers in the shapes that Hugging Face writes.
tokens = {word: i for i, word in enumerate(words[:20])}
def write_json(name, value):
    with open(name, "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=True)

write_json("tokenizer_wordpiece.json", {
    "version": "1.0",
    "added_tokens": [{"id": 21, "content": "[extra \U0001F600]", "special": True}, {"id": 23, "content": "[behind]"}],
    "model": {"type": "WordPiece", "vocab": tokens, "merges": [["a", "b"]]}})
write_json("tokenizer_unigram.json", {
    "version": "1.0", "added_tokens": [],
    "model": {"type": "Unigram", "vocab": [[word, -0.5 * i] for i, word in enumerate(words)]}})
write_json("tokenizer_config.json", {
    "tokenizer_class": "X",
    "added_tokens_decoder": {str(i): {"content": word, "special": False} for i, word in enumerate(words)}})
write_json("vocab.json", {word: i for i, word in enumerate(words)})
