import DPQ

extension EmbeddingOptions {
  /// Codes the rows of a trained full table: the baselines that know nothing of the task while they compress.
  ///
  /// - Throws: `invalidArgument` where the groups do not fit or the layer is no full table; `outOfMemory`.
  func compress(
    _ layer: any EmbeddingLayer, vocabulary: Vocabulary, seed: UInt64, threads: Int
  ) throws(DPQError) -> CompressedModel {
    guard let full = layer as? FullEmbedding else {
      throw DPQError(.invalidArgument, "only a full table is compressed after training")
    }
    let table = try EmbeddingTable(full.table.value, vocabulary: vocabulary)
    var compression = CompressionOptions()
    compression.method = kind == .dpqTable ? .vq : .kmeans
    compression.groups = groups
    compression.codes = codes
    compression.isShared = isShared
    compression.seed = seed
    compression.threads = threads
    return try Compressor(compression).compress(table).model
  }
}
