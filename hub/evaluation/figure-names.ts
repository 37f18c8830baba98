// The names of all figures (docs/evaluation.md, figures): a quality gate about another one could never be decided.

/** Every figure that an evaluation may hold; the last two also apart for each fairness column, as `name[column]`. */
export const figureNames: readonly string[] = [
  'accuracy',
  ...['precision', 'recall', 'f1'].flatMap((name) => [name, `${name}_macro`, `${name}_weighted`]),
  ...['roc_auc', 'log_loss', 'brier', 'expected_calibration_error'],
  ...['mae', 'rmse', 'r2'],
  ...['latency_p50_ms', 'latency_p99_ms'],
  ...['demographic_parity_difference', 'equalised_odds_difference'],
]
