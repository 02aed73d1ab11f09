import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HoldfastError } from '../lib/errors.ts'
import { HARDWARE_TYPES } from './hardware.ts'
import { readOwnProfiles } from './own-profiles.ts'
import { BUILT_IN_PROFILES, Profiles } from './profiles.ts'

const built = new Profiles([])
const request = { profile: 'default', variables: {}, format: undefined, mayBeRaw: false }

function refusalOf(run: () => unknown): HoldfastError {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof HoldfastError, String(error))
    return error
  }
  return assert.fail('it was taken')
}

test('the built-in profiles are those of m3u-proxy, and the ladder', () => {
  const names = BUILT_IN_PROFILES.map(({ name }) => name)
  const ours = ['ladder']
  assert.deepEqual(
    names.filter((name) => !ours.includes(name)),
    ['default', 'hq', 'lowlatency', '720p', '1080p', 'hevc', 'audio'],
  )
})

test('an unknown profile is answered with the names that there are', () => {
  const { code, status, message } = refusalOf(() => built.resolve({ ...request, profile: '4k' }, undefined))
  assert.deepEqual([code, status], ['transcode_profile_unknown', 400])
  assert.match(message, /"4k".*default, hq, lowlatency, 720p, 1080p, hevc, ladder, audio/)
})

test('arguments in place of a profile need to be enabled, and are held to the list', () => {
  const raw = { ...request, profile: '-c:v libx264 -crf 30' }
  assert.equal(refusalOf(() => built.resolve(raw, undefined)).code, 'transcode_raw_arguments_refused')
  const resolved = built.resolve({ ...raw, mayBeRaw: true }, undefined)
  assert.deepEqual(resolved.arguments.output, ['-c:v', 'libx264', '-crf', '30'])
  assert.equal(resolved.name, 'custom')
  const attack = { ...request, profile: '-i /etc/passwd', mayBeRaw: true }
  assert.equal(refusalOf(() => built.resolve(attack, undefined)).code, 'transcode_profile_invalid')
})

test('variables are numbers, sizes or names', () => {
  const withVariable = (name: string, value: string) =>
    refusalOf(() => built.resolve({ ...request, variables: { [name]: value } }, undefined)).message
  assert.match(withVariable('video_bitrate', '2M -f null'), /video_bitrate must be a number/)
  assert.match(withVariable('crf', '/etc/passwd'), /crf must be a number/)
  assert.match(withVariable('input_url', 'x'), /input_url is set by the gateway itself/)
  assert.match(withVariable('Bad Name', 'x'), /must be named with small letters/)
  const { output } = built.resolve({ ...request, variables: { video_bitrate: '750k', crf: '30' } }, undefined).arguments
  assert.equal(output[output.indexOf('-maxrate') + 1], '750k')
  assert.equal(output[output.indexOf('-crf') + 1], '30')
})

test('the format is what the request asks for, else the variable, else MPEG-TS', () => {
  const formatOf = (more: object) => built.resolve({ ...request, ...more }, undefined).format
  assert.equal(formatOf({}), 'mpegts')
  assert.equal(formatOf({ format: 'hls' }), 'hls')
  assert.equal(formatOf({ variables: { format: 'hls' } }), 'hls')
  assert.equal(formatOf({ profile: '-c copy -hls_time 2', mayBeRaw: true }), 'hls')
})

test('hardware is used by built-in profiles that it can do, and their arguments pass the list too', () => {
  for (const type of HARDWARE_TYPES) {
    for (const { name } of BUILT_IN_PROFILES) {
      const hardware = { type, device: '/dev/dri/renderD128' }
      const { arguments: read, hardware: used } = built.resolve({ ...request, profile: name }, hardware)
      const isSoftware = name === 'audio' || (type === 'v4l2m2m' && name === 'hevc')
      assert.equal(used, isSoftware ? undefined : type, `${type} ${name}`)
      if (!isSoftware)
        assert.ok(
          read.output.some((argument) => argument.endsWith(`_${type}`)),
          `${type} ${name}`,
        )
      assert.equal(read.input.includes('-vaapi_device'), type === 'vaapi' && !isSoftware)
    }
  }
  const raw = { ...request, profile: '-c:v libx264', mayBeRaw: true }
  assert.equal(built.resolve(raw, { type: 'nvenc', device: undefined }).hardware, undefined)
})

test('own profiles win over built-in ones and may be a line or an object', () => {
  const text = '{"tiny":"-c:v libx264 -s {size|320x180}","default":{"description":"Ours","parameters":"-c copy"}}'
  const profiles = new Profiles(readOwnProfiles(text, 'x.json'))
  assert.deepEqual(profiles.resolve(request, undefined).arguments.output, ['-c', 'copy'])
  const tiny = { ...request, profile: 'tiny', variables: { size: '640x360' } }
  assert.deepEqual(profiles.resolve(tiny, undefined).arguments.output, ['-c:v', 'libx264', '-s', '640x360'])
  // Hardware is for profiles whose arguments are ours.
  assert.equal(profiles.resolve(request, { type: 'nvenc', device: undefined }).hardware, undefined)
})

test('every mistake in the file of own profiles is told', () => {
  const text = '{"good":"-c copy -b:v {rate}","bad":"-report -i /etc/passwd","worse":{"parameters":"-vf movie=x"}}'
  const { code, message } = refusalOf(() => readOwnProfiles(text, '/etc/profiles.json'))
  assert.equal(code, 'invalid_configuration')
  assert.match(message, /profiles\.json.*bad: -report .*bad: -i .*worse: -vf uses the filter "movie"/s)
  assert.doesNotMatch(message, /good/)
  assert.match(refusalOf(() => readOwnProfiles('{', 'x')).message, /is not JSON/)
  for (const list of ['[]', 'null', '"-c copy"']) {
    assert.match(refusalOf(() => readOwnProfiles(list, 'x')).message, /must be an object of profiles/)
  }
})

test('mistakes of form and of arguments are told together, each with what is allowed', () => {
  const text = '{"a b":"-c copy","x":"-i /etc/passwd","y":7,"z":{"parameter":"-c copy"},"__proto__":"-an"}'
  const { message } = refusalOf(() => readOwnProfiles(text, 'x'))
  assert.deepEqual(message.split('\n').slice(1), [
    '  a b: must be a name of at most 64 letters, digits, _, . and -',
    '  x: -i is not an option that a profile may use',
    '  y: must be the arguments of ffmpeg as one text, or an object with parameters and a description, no more',
    '  z: parameters must be the arguments of ffmpeg as one text',
    '  z: must be the arguments of ffmpeg as one text, or an object with parameters and a description, no more',
    '  __proto__: must be a name of at most 64 letters, digits, _, . and -',
  ])
})
