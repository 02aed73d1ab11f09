import type { IncomingMessage, ServerResponse } from 'node:http'

/** A client's request for something below `/hls/{stream_id}/`. */
export interface HlsRequest {
  readonly streamId: string
  /** What follows the stream's id, without a leading slash: `playlist.m3u8`, or a name that a playlist of ours gave. */
  readonly path: string
  /** Decoded; of a parameter that is repeated, the last one. */
  readonly query: Readonly<Record<string, string>>
  /** Query parameters that every reference in a playlist has to carry along: `client_id` and `token`, where they were given. */
  readonly carried: Readonly<Record<string, string>>
  /** GET or HEAD. */
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** The HLS side of a stream: playlists and what they name. */
export interface HlsOutput {
  /**
   * Answers one request; resolves when the head of the answer has been written, or the client has left. Throws a HoldfastError before anything was
   * written: hls_not_found, hls_not_available, upstream_*.
   */
  serve(request: HlsRequest): Promise<void>
}

/** … with what is known of the client. */
export interface HlsViewRequest extends HlsRequest {
  readonly clientId: string | undefined
  readonly userAgent: string
  readonly ipAddress: string
  readonly username: string | undefined
}
