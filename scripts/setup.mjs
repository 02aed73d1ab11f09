// Makes the machine ready for an npm script: `node scripts/setup.mjs --for start|demo|test`.
// Runs before anything is installed, so it is plain JavaScript for Node 18 and uses no package.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const RUNTIME_MAJOR_MINIMUM = 24
const INSTALL_TIMEOUT_MS = 15 * 60 * 1000

/**
 * @typedef {object} Need
 * @property {string} name
 * @property {() => string | undefined} missing why it is not there, or undefined when it is
 * @property {Readonly<Record<string, 'install' | 'require' | 'mention'>>} purposes what each purpose does when it is missing:
 *   install it, fail with the way to get it, or say in one line what will not work
 * @property {() => string | undefined} install undefined on success, otherwise why it could not
 * @property {string} byHand the command for whoever has to do it by hand
 * @property {string} [without] what works without it and what does not
 */

/** Everything that a clone does not bring along. @type {readonly Need[]} */
const needs = [
  {
    name: 'the npm packages and the Node.js 24 runtime',
    missing: packagesMissing,
    purposes: { start: 'install', demo: 'install', test: 'install' },
    install: installPackages,
    byHand: 'npm ci --include=dev',
  },
  {
    name: 'ffmpeg',
    missing: () => commandMissing('ffmpeg', ['-hide_banner', '-version']),
    purposes: { start: 'mention', demo: 'require', test: 'install' },
    install: () => installWithApt(['ffmpeg']),
    byHand: byPackageManager('ffmpeg'),
    without: 'streams are served without it; slates, transcoding, the demo and the end-to-end tests need it',
  },
  {
    name: 'Chromium',
    missing: () => commandMissing('chromium', ['--version']),
    purposes: { test: 'install' },
    install: () => installWithApt(['chromium']),
    byHand: byPackageManager('chromium'),
  },
  ...['curl', 'jq', 'openssl'].map((name) => ({
    name,
    missing: () => commandMissing(name, [name === 'openssl' ? 'version' : '--version']),
    purposes: { test: 'install' },
    install: () => installWithApt([name]),
    byHand: byPackageManager(name),
  })),
  ...['streamlink', 'yt-dlp'].map((name) => ({
    name,
    missing: () => commandMissing(name, ['--version']),
    purposes: { test: 'mention' },
    install: () => installWithApt([name]),
    byHand: byPackageManager(name),
    without: 'its tests are skipped, and streams that ask for it are refused',
  })),
]

function packagesMissing() {
  const locked = readJson(join(root, 'package-lock.json'))
  const installed = readJson(join(root, 'node_modules', '.package-lock.json'))
  if (locked === undefined) return 'package-lock.json is missing: is this a whole clone?'
  if (installed === undefined) return 'nothing is installed yet'
  const difference = firstDifference(locked.packages, installed.packages)
  return difference ?? runtimeMissing()
}

/** The first package that is not installed as it is locked; packages of other platforms may be absent. */
function firstDifference(locked, installed) {
  for (const [path, entry] of Object.entries(locked)) {
    if (path === '' || (entry.optional === true && installed[path] === undefined)) continue
    if (installed[path]?.version !== entry.version) return `${path} is not at ${entry.version}`
  }
  const extra = Object.keys(installed).find((path) => locked[path] === undefined)
  return extra === undefined ? undefined : `${extra} is no longer in package-lock.json`
}

/** The pinned runtime must run; where none is made for the platform, the Node.js of the machine may serve. */
function runtimeMissing() {
  const pinned = spawnSync(join(root, 'node_modules', '.bin', 'node'), ['--version'], { encoding: 'utf8' })
  const version = pinned.status === 0 ? pinned.stdout.trim() : process.version
  if (Number(version.slice(1).split('.')[0]) >= RUNTIME_MAJOR_MINIMUM) return undefined
  return `the Node.js ${RUNTIME_MAJOR_MINIMUM} runtime is not installed (found ${version})`
}

function installPackages() {
  const npm = process.env.npm_execpath
  const [command, first] = npm === undefined ? ['npm', []] : [process.execPath, [npm]]
  // The warnings that loglevel=error hides are about engines: this npm runs on an older Node.js than the gateway will.
  const options = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']
  const failure = run(command, [...first, ...options])
  if (failure !== undefined) return failure
  const still = packagesMissing()
  if (still === undefined) return undefined
  return `npm ci succeeded, and yet: ${still}. If npm is configured with ignore-scripts, run: npm rebuild node --ignore-scripts=false`
}

function installWithApt(packages) {
  if (commandMissing('apt-get', ['--version']) !== undefined) return 'there is no apt-get on this machine'
  if (!isRoot()) return 'installing it takes root'
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const install = ['install', '-y', '-qq', '--no-install-recommends', ...packages]
  if (run('apt-get', install, env) === undefined) return undefined
  return run('apt-get', ['update', '-qq'], env) ?? run('apt-get', install, env)
}

function isRoot() {
  return process.getuid?.() === 0
}

function byPackageManager(name) {
  if (process.platform === 'darwin') return `brew install ${name}`
  const sudo = isRoot() ? '' : 'sudo '
  return `${sudo}apt-get update && ${sudo}apt-get install -y ${name}   (or the same with your package manager)`
}

/** Runs a command quietly; on failure returns why, with the end of what it said. */
function run(command, args, env = process.env) {
  const result = spawnSync(command, args, { cwd: root, env, encoding: 'utf8', timeout: INSTALL_TIMEOUT_MS })
  if (result.status === 0) return undefined
  const said = `${result.stdout ?? ''}${result.stderr ?? ''}`.trim().split('\n').slice(-12).join('\n  ')
  const how = result.error?.message ?? (result.signal ? `killed by ${result.signal}` : `exit code ${result.status}`)
  return `${[command, ...args].join(' ')}: ${how}\n  ${said}`
}

function commandMissing(command, args) {
  const result = spawnSync(command, args, { stdio: 'ignore' })
  return result.status === 0 ? undefined : `${command} was not found`
}

function readJson(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined
}

function say(text) {
  process.stdout.write(`setup: ${text}\n`)
}

/** True when the need is met or may go unmet. */
function meet(need, purpose) {
  const missing = need.missing()
  const action = need.purposes[purpose]
  if (missing === undefined || action === undefined) return true
  if (action === 'mention') {
    say(`${need.name} was not found; ${need.without}. To get it: ${need.byHand}`)
    return true
  }
  if (action === 'install') {
    say(`installing ${need.name} (${missing}) ...`)
    const begunMs = Date.now()
    const failure = need.install() ?? need.missing()
    if (failure === undefined) {
      say(`installed ${need.name} in ${((Date.now() - begunMs) / 1000).toFixed(1)} s`)
      return true
    }
    say(`could not install ${need.name}: ${failure}`)
  }
  say(`npm run ${purpose} cannot go on without ${need.name}. Run this, then try again:\n\n    ${need.byHand}\n`)
  return false
}

const purpose = process.argv[process.argv.indexOf('--for') + 1]
if (!['start', 'demo', 'test'].includes(purpose)) {
  say('usage: node scripts/setup.mjs --for start|demo|test')
  process.exitCode = 2
} else if (!needs.every((need) => meet(need, purpose))) {
  process.exitCode = 1
}
