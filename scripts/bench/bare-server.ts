// The limit of serving: node:http, JSON and `session.run`, and nothing that a product needs beside it.
// Started with the path of a model, and a port where it may not be just any; says its port.

import { createServer } from 'node:http'
import { InferenceSession, Tensor } from 'onnxruntime-node'

type Asked = { inputs: { name: string; datatype: string; shape: number[]; data: number[] }[] }

const session = await InferenceSession.create(process.argv[2] ?? '', {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
})

const server = createServer({ noDelay: true }, (request, response) => {
  let text = ''
  request.setEncoding('utf8')
  request.on('data', (piece: string) => {
    text += piece
  })
  request.on('end', () => {
    answer(text).then((answered) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answered) })
      response.end(answered)
    }, crash)
  })
})

async function answer(text: string): Promise<string> {
  const asked: Asked = JSON.parse(text)
  const feeds: Record<string, Tensor> = {}
  for (const { name, datatype, shape, data } of asked.inputs) {
    feeds[name] =
      datatype === 'INT64'
        ? new Tensor('int64', BigInt64Array.from(data, BigInt), shape)
        : new Tensor('float32', Float32Array.from(data), shape)
  }
  const results = await session.run(feeds)
  const outputs = session.outputNames.map((name) => ({
    name,
    datatype: 'FP32',
    shape: results[name]?.dims,
    data: Array.from(results[name]?.data ?? [], Number),
  }))
  return JSON.stringify({ model_name: 'bare', model_version: '1', outputs })
}

function crash(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}

server.listen(Number(process.argv[3] ?? 0), '127.0.0.1', () => {
  const address = server.address()
  process.send?.(typeof address === 'object' ? address?.port : undefined)
})
process.on('SIGTERM', () => process.exit(0))
process.on('disconnect', () => process.exit(0))
