import type { CandidateId } from '../../failover/group.ts'
import { compareSignatures } from '../../mpegts/analyser/compare-signatures.ts'
import { signatureText } from '../../mpegts/analyser/signature.ts'
import type { CodecSignature } from '../../mpegts/analyser/signature.ts'
import type { Source } from '../sources/source-list.ts'

/** What the sources of a stream are made of, as far as any of them was looked into, and what a player would make of it. */
export class Compatibility {
  readonly #signatures = new Map<CandidateId, CodecSignature>()
  readonly #texts = new Map<CandidateId, string>()
  /** The warnings for a list of sources, as long as nothing more is learnt. */
  #found: { readonly sources: readonly Source[]; readonly warnings: readonly string[] } | undefined
  #told = new Set<string>()

  learnt(id: CandidateId, signature: CodecSignature): void {
    this.#signatures.set(id, signature)
    this.#texts.set(id, signatureText(signature))
    this.#found = undefined
  }

  /** Forgets sources that are not listed any more: addresses that carry a token are others every day. */
  keepOnly(sources: readonly Source[]): void {
    if (this.#signatures.size <= sources.length) return
    const listed = new Set(sources.map(({ candidateId }) => candidateId))
    for (const id of this.#signatures.keys()) {
      if (listed.has(id)) continue
      this.#signatures.delete(id)
      this.#texts.delete(id)
    }
  }

  /** What a source is made of, in words. */
  textOf(id: CandidateId): string | undefined {
    return this.#texts.get(id)
  }

  /** What any source is known to be made of, the most preferred first. */
  anySignature(sources: readonly Source[]): CodecSignature | undefined {
    return sources.map(({ candidateId }) => this.#signatures.get(candidateId)).find((known) => known !== undefined)
  }

  /** Sentences such as `backup 2 is HEVC while the primary is H.264: most players freeze`. */
  warnings(sources: readonly Source[]): readonly string[] {
    if (this.#found?.sources !== sources) this.#found = { sources, warnings: this.#compare(sources) }
    return this.#found.warnings
  }

  #compare(sources: readonly Source[]): readonly string[] {
    const known = sources.flatMap((source) => {
      const signature = this.#signatures.get(source.candidateId)
      return signature === undefined ? [] : [{ signature, name: nameOf(source) }]
    })
    const [reference, ...others] = known
    if (reference === undefined) return []
    return others.flatMap((other) =>
      compareSignatures(reference.signature, other.signature, { first: reference.name, second: other.name }).map(
        ({ message }) => message,
      ),
    )
  }

  /** Warnings that have not been told yet; from now on they have. */
  takeNewWarnings(sources: readonly Source[]): readonly string[] {
    const all = this.warnings(sources)
    const fresh = all.filter((warning) => !this.#told.has(warning))
    this.#told = new Set(all)
    return fresh
  }
}

function nameOf({ index }: Source): string {
  return index === 0 ? 'the primary' : `backup ${index}`
}
