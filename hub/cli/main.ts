#!/usr/bin/env node
// The `roost` command.

import { Command } from 'commander'
import { runHub } from './hub.ts'

const program = new Command('roost').description('ships ONNX models to fleets of edge devices')
program
  .command('hub')
  .description('run the hub; settings are ROOST_* variables')
  .option('--new-admin-token', 'print a new admin token, for one who lost theirs')
  .action((options: { newAdminToken?: boolean }) => runHub(options))

await program.parseAsync()
