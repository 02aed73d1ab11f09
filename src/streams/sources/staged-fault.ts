/** A fault put between a source and everything that looks at it, to rehearse its failure without its knowing. */
export type StagedFault =
  /** The connection is taken for reset. */
  | { readonly kind: 'connection_reset' }
  /** `alter` gives what is taken for the bytes that came; an empty buffer for none. It must not throw or keep `bytes`. */
  | { readonly kind: 'altered'; readonly alter: (bytes: Buffer) => Buffer }
