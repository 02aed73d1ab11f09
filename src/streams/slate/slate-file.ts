import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { errorMessage } from '../../lib/errors.ts'
import { SlateError } from './slate-error.ts'

/** What ffmpeg says of a file of the operator's. */
export interface SlateFileFacts {
  readonly path: string
  readonly hasVideo: boolean
  readonly hasAudio: boolean
  /** Undefined for most still pictures. */
  readonly seconds: number | undefined
}

export interface SlateFile {
  readonly path: string
  /** SHA-256 of its content, hexadecimal. */
  readonly hash: string
}

const FILE_BYTES_MAX = 4 * 1024 ** 3
const FILES_REMEMBERED = 64

/** Knows the content of files by their hash, and reads a file again only when it has changed. */
export class SlateFiles {
  readonly #known = new Map<string, { readonly stamp: string; readonly hash: string }>()

  /** Throws a SlateError that names the path when the file is missing, unreadable, too large, or no file. */
  async identify(given: string, signal: AbortSignal): Promise<SlateFile> {
    const path = resolve(given)
    try {
      const found = await stat(path, { bigint: true })
      if (!found.isFile()) throw new Error('it is not a file')
      if (found.size > FILE_BYTES_MAX) throw new Error(`it is larger than ${FILE_BYTES_MAX / 1024 ** 3} GiB`)
      const stamp = `${found.size} ${found.mtimeNs}`
      const known = this.#known.get(path)
      if (known?.stamp === stamp) return { path, hash: known.hash }
      const hash = createHash('sha256')
      for await (const chunk of createReadStream(path, { signal })) hash.update(chunk as Buffer)
      const file = { path, hash: hash.digest('hex') }
      if (this.#known.size >= FILES_REMEMBERED) this.#known.clear()
      this.#known.set(path, { stamp, hash: file.hash })
      return file
    } catch (error) {
      signal.throwIfAborted()
      throw new SlateError('file_unusable', `the file ${path} cannot be used: ${errorMessage(error)}`)
    }
  }
}

/** Reads what `ffmpeg -i` prints about a file; undefined when it cannot make anything of it. */
export function parseFileFacts(path: string, text: string): SlateFileFacts | undefined {
  const hasVideo = /^\s+Stream #0:\d+.*?: Video: /m.test(text)
  const hasAudio = /^\s+Stream #0:\d+.*?: Audio: /m.test(text)
  if (!hasVideo && !hasAudio) return undefined
  const [, hours, minutes, seconds] = /^\s+Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?),/m.exec(text) ?? []
  const total = Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds)
  return { path, hasVideo, hasAudio, seconds: Number.isNaN(total) ? undefined : total }
}
