// Logits into probabilities.

/** `logits` over `temperature`, as probabilities that sum to 1: Float64Array. */
export function softmax(logits, temperature) {
  const top = Math.max(...logits) / temperature;
  const raised = Float64Array.from(logits, (value) => Math.exp(value / temperature - top));
  const sum = raised.reduce((total, value) => total + value, 0);
  return raised.map((value) => value / sum);
}
