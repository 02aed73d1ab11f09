import type { Config } from '../../config/settings.ts'
import type { EventSink } from '../../events/event.ts'
import type { AccessControl } from '../../http/access.ts'
import type { Clock } from '../../lib/clock.ts'
import { errorMessage } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { Random } from '../../lib/random.ts'
import type { Store } from '../../store/store.ts'
import { CheckSchedule } from '../health/check-schedule.ts'
import { TimerWheel } from '../wire/timer-wheel.ts'
import { readServiceFile } from './service-file.ts'
import { ServiceFileWatch } from './service-file-watch.ts'
import { ServiceFront } from './service-front.ts'
import { Services } from './services.ts'

export interface OpenServicesOptions {
  readonly config: Pick<Config, 'proxyPort' | 'proxyHost' | 'proxyPseudonym' | 'configFile' | 'region' | 'maxServices'>
  /** Where the gateway itself listens. */
  readonly host: string
  readonly store: Store
  readonly events: EventSink
  readonly access: Pick<AccessControl, 'callerOf' | 'isOwnKey'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

export interface OpenServices extends AsyncDisposable {
  readonly services: Services
  /** Reads the file of services again; a wrong one changes nothing. Does nothing without a file. */
  reload(): Promise<void>
}

/**
 * The reverse proxy of the gateway: its services from the store and the file, listening. Throws invalid_configuration with
 * every problem of the file, and listener_unavailable.
 */
export async function openServices(options: OpenServicesOptions): Promise<OpenServices> {
  const { config, host, store, events, access, clock, random, log } = options
  const { configFile, proxyPort } = config
  await using opening = new AsyncDisposableStack()
  const onFault = (error: unknown) => {
    const detail = error instanceof Error ? (error.stack ?? error.message) : errorMessage(error)
    log.error('proxy_fault', 'A request of a service met a defect; its connection was closed', { detail })
  }
  const defaultHost = config.proxyHost ?? host
  const schedule = opening.use(new CheckSchedule({ clock, random }))
  const front = new ServiceFront({ clock, log, access, defaultHost, proxyPort, onFault })
  const services = opening.use(
    new Services({
      ...{ store, events, clock, random, log, schedule, front, onFault },
      wheel: new TimerWheel(clock),
      pseudonym: config.proxyPseudonym,
      ownRegion: config.region,
      servicesMax: config.maxServices,
    }),
  )
  await services.restore(configFile === undefined ? undefined : await readServiceFile(configFile, defaultHost))
  const reload = async (): Promise<void> => {
    if (configFile === undefined) return
    try {
      const definitions = await readServiceFile(configFile, defaultHost)
      await services.applyFile(definitions)
      const count = definitions.length
      log.info('configuration_loaded', `${configFile} declares ${count} services`, {
        file: configFile,
        services: count,
      })
    } catch (error) {
      const fields = { file: configFile, problems: errorMessage(error) }
      log.error('configuration_rejected', `${configFile} is not taken on; what was there before goes on`, fields)
    }
  }
  if (configFile !== undefined) {
    const watch = opening.use(new ServiceFileWatch({ path: configFile, clock, onChange: reload }))
    await watch.start()
  }
  const open = opening.move()
  return { services, reload, [Symbol.asyncDispose]: async () => open.disposeAsync() }
}
