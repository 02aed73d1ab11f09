import type { PacketFault } from './packet-faults.ts'

/** What an origin does with a request. */
export type Answer =
  | { readonly kind: 'live' }
  /** The connection is closed with a RST as soon as the request has come. */
  | { readonly kind: 'reset' }
  /** The request is read and nothing ever comes back. */
  | { readonly kind: 'never_answer' }
  /** A head that promises media, then nothing. */
  | { readonly kind: 'head_only' }
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** Any complete body with status 200. */
  | { readonly kind: 'body'; readonly contentType: string; readonly body: Buffer | string }
  | { readonly kind: 'redirect'; readonly location: string; readonly status?: number }
  /** Redirects to itself for ever. */
  | { readonly kind: 'redirect_loop' }
  /** Endless bytes of no container, at about 1 Mbit/s. */
  | { readonly kind: 'noise' }
  /** The programme for `ms`, then the end of the body. */
  | { readonly kind: 'live_for'; readonly ms: number }

/** How the end of a live body is told. */
export type Framing = 'close' | 'chunked' | 'content_length'

/** What happens to a connection that is delivering. */
export type Fault =
  /** The body ends as its framing says it should. */
  | { readonly kind: 'end' }
  /** FIN without the framing's end, on a packet's edge or inside a packet. */
  | { readonly kind: 'fin'; readonly aligned: boolean }
  | { readonly kind: 'reset'; readonly aligned: boolean }
  /** A chunk is announced, a part of it comes, then FIN. Only with chunked framing. */
  | { readonly kind: 'incomplete_chunk' }
  /** The socket stays open, nothing comes. */
  | { readonly kind: 'silence' }
  /** The socket stays open, a byte comes now and then. */
  | { readonly kind: 'drip'; readonly everyMs: number }
  /** Random bytes take the place of the programme from now on, at its pace. */
  | { readonly kind: 'garbage' }
  /** This many random bytes come between two packets, then the programme goes on. */
  | { readonly kind: 'burst_of_garbage'; readonly bytes: number }
  /** Every so many packets one comes with its second half missing. */
  | { readonly kind: 'half_packets'; readonly every: number }
  /** Another programme comes in place of its own, on the same timeline; FaultOriginOptions has which. */
  | { readonly kind: 'other_programme' }
  /** The media is not what it should be, packet by packet; the connection is fine. */
  | { readonly kind: 'packets'; readonly fault: PacketFault }

/** How media that is due is handed out. */
export type Pace =
  | { readonly kind: 'smooth' }
  /** Nothing for `everyMs`, then all of it. */
  | { readonly kind: 'bursts'; readonly everyMs: number }
  /** At this share of real time, from the connection on; above 1 it is faster. */
  | { readonly kind: 'slow'; readonly factor: number }
  /** At a quarter of real time for `forMs` from the connection on; then what is due by then at once, and on. */
  | { readonly kind: 'slow_start'; readonly forMs: number }
  /** As fast as the reader takes it, ahead of its time. */
  | { readonly kind: 'unlimited' }
