// Documents of the hub's API, as src/hub/openapi.json describes them. What a hub may leave out is
// optional here.
import type { Role } from "./session";

export type Time = string; // "2026-11-28T18:41:40Z"

export interface Me {
  name: string;
  role: Role;
}

export interface Unit {
  name: string;
  model?: string | null;
  version?: string | null;
  manifest?: string | null;
  health: string;
  frames?: number;
  crashes?: number;
  reported?: Time | null;
}

export interface Alarm {
  time: Time;
  what: string;
  device?: string;
  unit?: string | null;
  model?: string | null;
  version?: string | null;
  text?: string | null;
}

export interface Device {
  id: string;
  key: string;
  enrolled: Time;
  revoked: Time | null;
  duplicate: Time | null;
  certificate_until: Time | null;
  seen?: Time | null;
  program?: string | null;
  machine?: Machine | null;
  tags?: Record<string, string>;
  units?: Unit[];
  alarms?: Alarm[];
}

// What a device has told of itself.
export interface Machine {
  architecture: string;
  cpu: string;
  cpus: number;
  memory_bytes: number;
  system: string;
  kernel: string;
  targets: string[];
  backends: string[];
  plan_format: number;
  operators: { count: number; sha256: string };
  told: Time;
}

export interface DevicesPage {
  devices: Device[];
  next?: string;
}

// A name for a query of devices.
export interface Group {
  name: string;
  query: string;
  devices: number; // that it finds now
  set: Time;
  set_by: string;
}

export interface GroupsPage {
  groups: Group[];
}

export interface Window {
  time: Time;
  window_ms: number;
  model?: string | null;
  version?: string | null;
  frames: number;
  errors?: number;
  crashes?: number;
  stages?: { name: string; packets: number; p50_ms: number | null; p99_ms: number | null }[];
  signals?: { name: string; psi: number | null; mean: number | null }[];
  classes?: { name: string; count: number }[];
}

export interface Fleet {
  devices: number;
  revoked?: number;
  seen_lately?: number;
  by_version?: { model: string; version: string; devices: number }[];
  by_health?: Record<string, number>;
  alarms?: Alarm[];
}

export interface Token {
  id: string;
  name: string;
  role: Role;
  created: Time;
  expires: Time | null;
  revoked: Time | null;
}

export interface NewToken {
  id: string;
  name: string;
  role: Role;
  token: string;
}

export interface TokensPage {
  tokens: Token[];
  next?: string;
}

export interface EnrolmentToken {
  id: string;
  device: string | null; // that alone may use it
  created: Time;
  created_by: string;
  expires: Time;
  used: Time | null;
  enrolled: string | null; // the device that has used it
  revoked: Time | null;
}

export interface EnrolmentTokensPage {
  tokens: EnrolmentToken[];
  next?: string;
}

export interface NewEnrolmentToken {
  id: string;
  token: string;
  expires: Time;
  device?: string;
}

export interface Model {
  name: string;
  versions?: (string | { version: string })[];
  aliases?: Record<string, string>;
}

export interface ModelsPage {
  models: Model[];
  next?: string;
}

export interface Release {
  model: string;
  version: string;
  manifest: string;
  state: string; // "waiting", "published", "withdrawn"
  added?: Time | null;
  added_by?: string | null;
  approved_by?: string | null;
  artifacts?: Record<string, unknown>[];
  license?: unknown;
  model_card?: Record<string, unknown> | null;
  lineage?: Record<string, unknown> | null;
  signatures?: { role: string; key: string }[];
}

export interface ReleasesPage {
  releases: Release[];
  next?: string;
}

export interface RepositoryRole {
  role: string;
  version: number;
  expires: Time;
  threshold: number;
  keys: number;
  online: boolean; // the hub signs it
  targets: number;
}

export interface Repository {
  online_key: string; // in PEM
  version: number;
  roles: RepositoryRole[];
  warnings: { role: string; expires: Time; expired: boolean; renewal: string }[];
}

export interface Approval {
  id: string;
  kind: string; // "publication", "alias"
  what: string;
  asked_by: string;
  asked: Time;
  state: string; // "open", "approved", "rejected", "taken_back", "superseded"
  decided_by?: string | null;
  decided?: Time | null;
  done?: Time | null; // when what was approved was there for all
  reason?: string; // why it was rejected or taken back
  rivals?: string[]; // that wait too, of which only one can be published
  // Of one alone: of a publication, or which release an alias is for.
  details?: Partial<PublicationDetails> & { model?: string; alias?: string; version?: string };
}

export interface PublicationDetails {
  releases: string[]; // targets, "voice/1.1.0/manifest.json"
  withdrawn: string[];
  signatures: { role: string; key: string }[];
  key_names: Record<string, string>;
  superseded_by?: string; // "targets version 2"
  changes: Changes;
}

// How what is staged differs from what is published, as 'polder repo show --json' has it.
export interface Changes {
  files: {
    role: string;
    version: number;
    expires: Time;
    version_before?: number; // not there: it is new
    expires_before?: Time;
  }[];
  trust: {
    role: string;
    added_keys: string[];
    removed_keys: string[];
    threshold: number; // 0: nobody is, or was, trusted
    threshold_before: number;
    paths: string[];
    paths_before: string[];
  }[];
  targets: {
    role: string;
    path: string;
    sha256?: string; // not there: it is not listed
    sha256_before?: string;
    problem?: string;
  }[];
  floors: { model: string; before: string; after: string }[]; // empty: none
  other: string[];
}

export interface ApprovalsPage {
  approvals: Approval[];
  next?: string;
}

export interface Measure {
  name: string;
  ratio: number;
  low: number;
  high: number;
  worse: number; // e-values
  acceptable: number;
  than?: string;
  canary_trials?: number;
  control_trials?: number;
}

export interface Stage {
  text?: string;
  shadow?: boolean;
  devices?: number | null;
  percent?: number | null;
  abort_at?: number;
  promote_at?: number;
  margin?: number;
}

// What stands in a text of the hub, and how to say it otherwise (src/hub/reason.h).
export interface Why {
  code: string;
  text: string;
  values: Record<string, string | number>;
}

export interface Rollout {
  id: string;
  model: string;
  version: string;
  other_version?: string | null;
  query?: string | null;
  // `opens`: null while it is open, and of a zone that the hub does not know.
  window?: {
    days: string[];
    from: string;
    to: string;
    zone: string;
    open?: boolean;
    opens: Time | null;
  } | null;
  not_before?: Time | null;
  phase: string; // "running", "paused", "aborted", "done"
  reason?: string | null;
  trouble?: string | null; // why it could not be carried on
  waits_for?: string | null; // of one that runs
  why?: Why[]; // what stands in `reason` and `waits_for`
  stage: number;
  stages?: Stage[];
  created?: Time | null;
  created_by?: string | null;
  ended?: Time | null;
  // Null of one that was over long ago.
  devices?: Partial<Record<"matching" | "wanted" | "running" | "failed", number | null>>;
  next_look?: Time | null;
  least_end?: Time | null;
  silent?: { device: string; seen: Time | null }[]; // that its stage waits for
  gate?: {
    verdict: string;
    time?: Time;
    evidence?: number; // that it is worse, of all measures
    reasons?: string[];
    why?: Why[];
    measures?: Measure[];
  } | null;
  history?: { time: Time; stage: number; what: string; actor?: string | null; why?: Why }[];
}

export interface RolloutPreview {
  devices: { matching: number; unable?: number; there: number; running: number };
  stages: (Stage & { holds: number })[];
  least_minutes: number;
  least_minutes_without_errors?: number | null; // null: nothing is compared
  notes: string[];
  why?: Why[]; // of each note
}

export interface RolloutsPage {
  rollouts: Rollout[];
  next?: string;
}

export interface Looks {
  looks: { time: Time; stage: number; measures: Measure[] }[];
  next?: string;
}

export interface RolloutDevicesPage {
  devices: {
    device: string;
    wanted: string; // "old", "shadow", "new"
    running: string | null; // the version that it told last
    trouble?: string | null; // why it does not run a release that is not to blame
    failure: string | null;
    old_version?: string | null;
    new_version?: string;
  }[];
  next?: string;
}

export interface AuditEntry {
  sequence: number;
  time: Time;
  actor: string;
  act: string;
  object: string;
  details?: Record<string, unknown>;
  line: string;
}

export interface AuditPage {
  log: string;
  entries: AuditEntry[];
  next?: string;
}

export interface SignedCheckpoint {
  log: string;
  key: string; // in PEM
  checkpoint: string; // the signed note
}
