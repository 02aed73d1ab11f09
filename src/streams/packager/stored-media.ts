/** What has a name in a playlist: a segment, a part, or what comes before them. It never changes under its name. */
export class StoredMedia {
  /** Relative to the stream's `/hls/{id}/`. */
  readonly name: string
  readonly contentType: string
  readonly bytes: number
  readonly #isShared: boolean
  #content: StoredContent

  /** `isShared`: its memory is that of something else, which counts it. */
  constructor(name: string, contentType: string, pieces: readonly Buffer[], isShared = false) {
    this.name = name
    this.contentType = contentType
    this.#isShared = isShared
    this.bytes = pieces.reduce((sum, { length }) => sum + length, 0)
    this.#content = { kind: 'memory', pieces }
  }

  get content(): StoredContent {
    return this.#content
  }

  get bytesInMemory(): number {
    return this.#content.kind === 'memory' && !this.#isShared ? this.bytes : 0
  }

  /** It is on disk now, whole; its memory is let go. */
  movedTo(path: string): void {
    this.#content = { kind: 'file', path }
  }
}

export type StoredContent =
  { readonly kind: 'memory'; readonly pieces: readonly Buffer[] } | { readonly kind: 'file'; readonly path: string }

export const CONTENT_TYPE_TS = 'video/mp2t'
export const CONTENT_TYPE_MP4 = 'video/mp4'
export const CONTENT_TYPE_PLAYLIST = 'application/vnd.apple.mpegurl'
