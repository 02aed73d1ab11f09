/** A rule of the RFC that a playlist broke. */
export interface Violation {
  /** Stable name of the rule. */
  readonly rule: string
  /** Where the rule stands: `RFC 8216 §6.2.1`, `bis §4.4.3.8`; `house` for what only this project asks. */
  readonly section: string
  /** Which part of the playlist: `segment 104`, `header`. */
  readonly where: string
  readonly message: string
}

/** Violations as lines for a failed test. */
export function describeViolations(violations: readonly Violation[]): string {
  return violations.map((each) => `${each.rule} (${each.section}) at ${each.where}: ${each.message}`).join('\n')
}

export function violation(rule: string, section: string, where: string, message: string): Violation {
  return { rule, section, where, message }
}
