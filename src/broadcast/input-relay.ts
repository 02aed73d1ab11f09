import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { parsePlaylist } from '../hls/parse-playlist.ts'
import { rewriteUris, withoutAddress } from '../hls/rewrite.ts'
import { resolveUri } from '../hls/uri.ts'
import { writePlaylist } from '../hls/write-playlist.ts'
import type { SourceHead, SourceNetwork, SourceReader, SourceTransport } from '../streams/sources/http-client.ts'

export interface InputRelayOptions {
  readonly network: SourceNetwork
  readonly connectTimeoutMs: number
  readonly answerTimeoutMs: number
  /** How a source is read; byte ranges of http sources only. */
  readonly transportOf: (url: string) => SourceTransport
}

/** Something that ffmpeg is to read: where it is, and what is sent along. */
export interface RelayInput {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly userAgent: string
}

/** An address of this machine, good until it is closed. */
export interface RelayAddress extends Disposable {
  readonly url: string
}

interface Ticket extends RelayInput {
  readonly operatorHosts: ReadonlySet<string>
  /** Places that playlists named, by number. */
  readonly places: Map<string, string>
  readonly numbers: Map<string, string>
  lastNumber: number
}

const PLAYLIST_BYTES_MAX = 4 * 1024 * 1024
const PLACES_MAX = 20_000
const PLAYLIST_TYPE = 'application/vnd.apple.mpegurl'

/**
 * What stands between ffmpeg and the world: a server on loopback that reads sources as the rest of the gateway does. So
 * ffmpeg connects nowhere but here, wherever a redirect or a playlist points; it sees no credentials; and a source that HTTP
 * cannot pull needs nothing of its own. Addresses cannot be guessed and end with their programme.
 */
export class InputRelay implements AsyncDisposable {
  readonly #options: InputRelayOptions
  readonly #server: Server
  readonly #tickets = new Map<string, Ticket>()
  readonly #readers = new Set<SourceReader>()

  private constructor(options: InputRelayOptions) {
    this.#options = options
    this.#server = createServer((request, response) => this.#answer(request, response))
  }

  static async open(options: InputRelayOptions): Promise<InputRelay> {
    const relay = new InputRelay(options)
    relay.#server.listen(0, '127.0.0.1')
    await once(relay.#server, 'listening')
    return relay
  }

  /** An address that leads to a source. */
  add(input: RelayInput): RelayAddress {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the relay does not listen')
    const id = randomBytes(18).toString('base64url')
    const operatorHosts = new Set([new URL(input.url).hostname])
    this.#tickets.set(id, { ...input, operatorHosts, places: new Map(), numbers: new Map(), lastNumber: 0 })
    return {
      url: `http://127.0.0.1:${address.port}/${id}/input${extensionOf(input.url)}`,
      [Symbol.dispose]: () => void this.#tickets.delete(id),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#tickets.clear()
    for (const reader of this.#readers) reader.close()
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const [, id = '', name = ''] = (request.url ?? '').split('/')
    const ticket = this.#tickets.get(id)
    const number = /^p(\d+)\./.exec(name)?.[1]
    const url = number === undefined ? ticket?.url : ticket?.places.get(number)
    if (ticket === undefined || url === undefined || request.method !== 'GET') {
      response.writeHead(404).end()
      return
    }
    this.#pass(ticket, url, request, response)
  }

  #pass(ticket: Ticket, url: string, request: IncomingMessage, response: ServerResponse): void {
    const { network, connectTimeoutMs, answerTimeoutMs, transportOf } = this.#options
    const { range } = request.headers
    const abort = new AbortController()
    const held: Buffer[] = []
    let playlistOf: SourceHead | undefined
    const done = () => void this.#readers.delete(reader)
    const reader: SourceReader = transportOf(url)(
      {
        ...{ url, method: 'GET', headers: ticket.headers, userAgent: ticket.userAgent, signal: abort.signal },
        ...{ connectTimeoutMs, answerTimeoutMs, operatorHosts: ticket.operatorHosts },
        ...(range === undefined || isPlaylistUrl(url) ? {} : { range }),
      },
      {
        onHead: (head) => {
          if (isPlaylist(head, url)) playlistOf = head
          else response.writeHead(head.status, passedOn(head.headers))
          return 'accept'
        },
        onData: (chunk) => {
          if (playlistOf === undefined) return response.write(chunk)
          held.push(chunk)
          if (held.reduce((sum, piece) => sum + piece.length, 0) <= PLAYLIST_BYTES_MAX) return true
          response.destroy()
          return false
        },
        onEnd: () => {
          done()
          if (playlistOf === undefined) response.end()
          else this.#sendPlaylist(ticket, playlistOf, Buffer.concat(held).toString('utf8'), response)
        },
        onFailure: () => {
          done()
          if (response.headersSent) response.destroy()
          else response.writeHead(502).end()
        },
      },
      network,
    )
    this.#readers.add(reader)
    response.on('drain', () => reader.resume())
    response.on('close', () => {
      done()
      reader.close()
    })
  }

  #sendPlaylist(ticket: Ticket, head: SourceHead, text: string, response: ServerResponse): void {
    try {
      const playlist = parsePlaylist(text, { url: head.finalUrl })
      const place = (uri: string): string => {
        const url = resolveUri(uri, head.finalUrl)
        return url === undefined ? uri : placeOf(ticket, url)
      }
      const own = writePlaylist(
        playlist.kind === 'master'
          ? rewriteUris(playlist, place, { otherTag: withoutAddress })
          : rewriteUris(playlist, place, { otherTag: withoutAddress }),
      )
      response.writeHead(200, { 'content-type': PLAYLIST_TYPE }).end(own)
    } catch {
      response.writeHead(502).end()
    }
  }
}

/** A name for a place that a playlist named: the same for the same place. */
function placeOf(ticket: Ticket, url: string): string {
  const { places, numbers } = ticket
  const known = numbers.get(url)
  if (known === undefined) ticket.lastNumber += 1
  const number = known ?? String(ticket.lastNumber)
  if (known === undefined) {
    places.set(number, url)
    numbers.set(url, number)
    const oldest = places.size > PLACES_MAX ? places.entries().next().value : undefined
    if (oldest !== undefined) {
      places.delete(oldest[0])
      numbers.delete(oldest[1])
    }
  }
  return `p${number}${extensionOf(url) || '.ts'}`
}

function isPlaylistUrl(url: string): boolean {
  return new URL(url).pathname.toLowerCase().endsWith('.m3u8')
}

function isPlaylist({ status, headers }: SourceHead, url: string): boolean {
  return status === 200 && (isPlaylistUrl(url) || /mpegurl/i.test(headers['content-type'] ?? ''))
}

/** ffmpeg tells formats apart by their names, too. */
function extensionOf(url: string): string {
  return /\.[a-z0-9]{1,5}$/i.exec(new URL(url).pathname)?.[0].toLowerCase() ?? ''
}

const PASSED_ON = ['content-type', 'content-length', 'content-range', 'accept-ranges', 'last-modified', 'etag']

function passedOn(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(PASSED_ON.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])))
}
