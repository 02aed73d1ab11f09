import { filterChainProblem } from './filter-chain.ts'

/**
 * Which of ffmpeg's options a profile may use, and what their values may be. What is not here is refused: options are
 * allowed because they do nothing but shape pictures and sound. None opens, reads or writes anything.
 */
interface OptionRule {
  /** Undefined for an option that takes no value. */
  readonly value: RegExp | ((value: string) => string | undefined) | undefined
  /** Takes a stream specifier such as `:v` or `:a:0`. */
  readonly isPerStream?: true
  /** Stands before the input. */
  readonly isInput?: true
}

const NUMBER = /^-?\d{1,9}(?:\.\d{1,6})?$/
const WHOLE = /^-?\d{1,9}$/
const BITS = /^\d{1,9}(?:\.\d{1,3})?[kKmM]?$/
const RATE = /^\d{1,3}(?:\.\d{1,3})?(?:\/\d{1,5})?$|^\d{1,6}\/\d{1,5}$/
const WORD = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,39}$/
const FLAGS = /^[+-]?[a-z0-9_]{1,24}(?:[+-][a-z0-9_]{1,24}){0,8}$/
const MAP = /^-?0(?::[vasd](?::\d{1,2})?|:\d{1,2}|:[vVas]:m:language:[a-z]{2,3}|:m:language:[a-z]{2,3})?\??$/
const KEYFRAMES = /^expr:gte\(t,n_forced\*\d{1,2}(?:\.\d{1,3})?\)$|^source$/
const TEXT = /^[\p{L}\p{N} _.,()&+-]{0,80}$/u

const VIDEO_ENCODERS: readonly string[] = [
  ...['libx264', 'libx265', 'mpeg2video', 'h264_nvenc', 'hevc_nvenc', 'h264_vaapi', 'hevc_vaapi'],
  ...['h264_qsv', 'hevc_qsv', 'h264_v4l2m2m', 'hevc_v4l2m2m', 'h264_videotoolbox', 'hevc_videotoolbox', 'copy'],
]
const AUDIO_ENCODERS: readonly string[] = ['aac', 'libfdk_aac', 'ac3', 'eac3', 'mp2', 'libmp3lame', 'libopus', 'copy']
const encoders = (...lists: readonly (readonly string[])[]) => new RegExp(`^(?:${lists.flat().join('|')})$`)

/** Keys of -x264-params and -x265-params; others name files. */
const ENCODER_KEYS: ReadonlySet<string> = new Set([
  ...['keyint', 'min-keyint', 'scenecut', 'nal-hrd', 'vbv-maxrate', 'vbv-bufsize', 'bitrate', 'crf', 'bframes'],
  ...['b-adapt', 'b-pyramid', 'ref', 'rc-lookahead', 'sync-lookahead', 'aq-mode', 'aq-strength', 'open-gop'],
  ...['repeat-headers', 'force-cfr', 'sliced-threads', 'threads', 'lookahead-threads', 'hrd', 'annexb', 'level'],
  ...['profile', 'me', 'subme', 'trellis', 'deblock', 'weightp', 'cabac', 'colorprim', 'transfer', 'colormatrix'],
  ...['slices', 'intra-refresh', 'mbtree', 'no-scenecut', 'no-open-gop', 'log-level', 'pools', 'frame-threads', 'aud'],
])

function encoderParameters(value: string): string | undefined {
  const wrong = value.split(':').find((pair) => {
    const [key = '', text = '1', ...more] = pair.split('=')
    return !ENCODER_KEYS.has(key) || more.length > 0 || !/^[A-Za-z0-9_.,+-]{1,24}$/.test(text)
  })
  return wrong === undefined ? undefined : `has ${JSON.stringify(wrong.slice(0, 60))}, which is not allowed`
}

const videoFilters = (value: string) => filterChainProblem(value, 'video')
const audioFilters = (value: string) => filterChainProblem(value, 'audio')
const perStream = (value: OptionRule['value']): OptionRule => ({ value, isPerStream: true })
const plain = (value: OptionRule['value']): OptionRule => ({ value })
const ofInput = (value: OptionRule['value']): OptionRule => ({ value, isInput: true })
const each = (names: readonly string[], rule: OptionRule) => names.map((name) => [name, rule] as const)

const RULES: ReadonlyMap<string, OptionRule> = new Map<string, OptionRule>([
  ['c', perStream(encoders(VIDEO_ENCODERS, AUDIO_ENCODERS))],
  ['codec', perStream(encoders(VIDEO_ENCODERS, AUDIO_ENCODERS))],
  ['vcodec', plain(encoders(VIDEO_ENCODERS))],
  ['acodec', plain(encoders(AUDIO_ENCODERS))],
  ['map', plain(MAP)],
  ['vf', plain(videoFilters)],
  ['filter:v', plain(videoFilters)],
  ['af', plain(audioFilters)],
  ['filter:a', plain(audioFilters)],
  ['s', perStream(/^\d{2,5}x\d{2,5}$/)],
  ['aspect', perStream(/^\d{1,5}[:/]\d{1,5}$/)],
  ['r', perStream(RATE)],
  ['force_key_frames', perStream(KEYFRAMES)],
  ['x264-params', plain(encoderParameters)],
  ['x264opts', plain(encoderParameters)],
  ['x265-params', plain(encoderParameters)],
  ['bsf', perStream(/^(?:h264_mp4toannexb|hevc_mp4toannexb|dump_extra|extract_extradata)$/)],
  ['channel_layout', perStream(WORD)],
  ['fflags', plain(FLAGS)],
  ['flags', perStream(FLAGS)],
  ['metadata', plain((value) => metadataProblem(value))],
  ...each(['an', 'vn', 'sn', 'dn'], plain(undefined)),
  ...each(['b', 'minrate', 'maxrate', 'bufsize', 'q', 'qscale', 'ab', 'vb'], perStream(BITS)),
  ...each(['muxrate', 'bufsize', 'ar', 'ac', 'rc_init_occupancy', 'cutoff'], perStream(BITS)),
  ...each(
    ['crf', 'qp', 'cq', 'qmin', 'qmax', 'qdiff', 'global_quality', 'bf', 'refs', 'g', 'level'],
    perStream(NUMBER),
  ),
  ...each(['keyint_min', 'sc_threshold', 'rc-lookahead', 'rc_lookahead', 'slices', 'async'], perStream(WHOLE)),
  ...each(['preset', 'tune', 'profile', 'pix_fmt', 'rc', 'rc_mode', 'coder', 'aac_coder', 'strict'], perStream(WORD)),
  ...each(['color_primaries', 'color_trc', 'colorspace', 'color_range', 'field_order', 'application'], perStream(WORD)),
  ...each(['tag', 'fps_mode', 'vsync', 'quality', 'multipass', 'b_ref_mode', 'nal-hrd', 'a53cc'], perStream(WORD)),
  ...each(
    ['spatial-aq', 'temporal-aq', 'spatial_aq', 'temporal_aq', 'aq-strength', 'gpu', 'zerolatency'],
    plain(WHOLE),
  ),
  ...each(['delay', 'surfaces', 'forced-idr', 'forced_idr', 'no-scenecut', 'low_power', 'look_ahead'], plain(WHOLE)),
  ...each(
    ['look_ahead_depth', 'async_depth', 'idr_interval', 'compression_level', 'vbr', 'dialnorm'],
    perStream(NUMBER),
  ),
  ...each(['max_muxing_queue_size', 'max_delay', 'muxdelay', 'muxpreload', 'pcr_period', 'pat_period'], plain(NUMBER)),
  ...each(['frame_duration', 'apad_dur', 'top', 'max_interleave_delta', 'bitrate'], perStream(NUMBER)),
  ['avoid_negative_ts', plain(WORD)],
  ['threads', perStream(/^\d{1,2}$/)],
  ['hwaccel', ofInput(/^(?:auto|none|vaapi|cuda|cuvid|qsv|drm|videotoolbox)$/)],
  ['hwaccel_output_format', ofInput(/^(?:vaapi|cuda|qsv|nv12|yuv420p)$/)],
  ['hwaccel_device', ofInput(/^(?:\d{1,2}|\/dev\/dri\/renderD\d{3})$/)],
  ['vaapi_device', ofInput(/^\/dev\/dri\/renderD\d{3}$/)],
  ['qsv_device', ofInput(/^\/dev\/dri\/renderD\d{3}$/)],
])

function metadataProblem(value: string): string | undefined {
  const [key = '', text, ...more] = value.split('=')
  const isAllowed = /^(?:service_name|service_provider|title)$/.test(key) && text !== undefined && more.length === 0
  return isAllowed && TEXT.test(text) ? undefined : 'may only set service_name, service_provider or title to plain text'
}

/** What existing profiles say and the gateway does itself, with how many values follow: left out without a word. */
const LEFT_OUT: ReadonlyMap<string, number> = new Map([
  ...['y', 'hide_banner', 'nostdin', 'nostats', 'stats', 're'].map((name) => [name, 0] as const),
  ...['loglevel', 'v', 'probesize', 'analyzeduration', 'thread_queue_size', 'err_detect'].map(
    (name) => [name, 1] as const,
  ),
  ...['reconnect', 'reconnect_at_eof', 'reconnect_streamed', 'reconnect_delay_max'].map((name) => [name, 1] as const),
  ...['reconnect_on_network_error', 'rw_timeout', 'timeout', 'user_agent'].map((name) => [name, 1] as const),
  ...['hls_list_size', 'hls_flags', 'hls_segment_type', 'start_number'].map((name) => [name, 1] as const),
])

const SPECIFIER = /^(?:[vVas](?::\d{1,2})?|\d{1,2})$/

export type OptionVerdict =
  | { readonly kind: 'allowed'; readonly valueCount: 0 | 1; readonly isInput: boolean }
  | { readonly kind: 'left_out'; readonly valueCount: number }
  | { readonly kind: 'refused'; readonly message: string }

/** Whether an option may be used with the value that follows it (`value`: the next argument, if any). */
export function judgeOption(option: string, value: string | undefined): OptionVerdict {
  const refused = (message: string): OptionVerdict => ({
    kind: 'refused',
    message: `${option.slice(0, 60)} ${message}`,
  })
  if (!option.startsWith('-')) return refused('is neither an option nor the value of one; outputs cannot be named')
  const name = option.slice(1)
  const leftOut = LEFT_OUT.get(name)
  if (leftOut !== undefined) return { kind: 'left_out', valueCount: leftOut }
  const rule = ruleOf(name)
  if (rule === undefined) return refused('is not an option that a profile may use')
  const isInput = rule.isInput ?? false
  if (rule.value === undefined) return { kind: 'allowed', valueCount: 0, isInput }
  if (value === undefined) return refused('has no value')
  const problem =
    rule.value instanceof RegExp
      ? rule.value.test(value)
        ? undefined
        : `has the value ${JSON.stringify(value.slice(0, 60))}, which is not allowed`
      : rule.value(value)
  return problem === undefined ? { kind: 'allowed', valueCount: 1, isInput } : refused(problem)
}

function ruleOf(name: string): OptionRule | undefined {
  const exact = RULES.get(name)
  if (exact !== undefined) return exact
  const colon = name.indexOf(':')
  const rule = colon === -1 ? undefined : RULES.get(name.slice(0, colon))
  return rule?.isPerStream === true && SPECIFIER.test(name.slice(colon + 1)) ? rule : undefined
}
