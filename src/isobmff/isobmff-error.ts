/** What does not hold in a file: the only error that the readers of this folder throw. */
export type IsobmffProblem = 'truncated' | 'damaged' | 'too-large' | 'unsupported'

export class IsobmffError extends Error {
  readonly problem: IsobmffProblem

  constructor(problem: IsobmffProblem, message: string) {
    super(message)
    this.name = 'IsobmffError'
    this.problem = problem
  }
}
