// A study as lookahead/study/result.py writes it, and what the pictures hand to each other. Types only.

export interface Accepted { drafted: number; checked: number; accepted: number }

export interface Loss { cause: string; passes: number; tokens: number }

/** One prompt, or all of them. */
export interface Row {
  name: string;
  text: string;
  category: string;
  run: string | null;
  tokens: number;
  passes: number;
  tokens_per_pass: number | null;
  drafted: number;
  accepted: number;
  empty: number;
  wasted: number;
  seconds: number | null;
  plain_seconds: number | null;
  speedup: number | null;
  disturbed: boolean; // measured as faster than its tokens per pass allow
  modelled_seconds: number | null;
  modelled_speedup: number | null;
  near_ties: number | null;
  by_source: Record<string, Accepted>;
  by_depth: Record<string, Accepted>;
  by_match_length: Record<string, Accepted>;
  losses: Loss[];
  worst_step: number | null;
  worst_cause: string | null;
  worst_tokens: number;
}

export interface Variant {
  label: string;
  peer: boolean;
  config: Record<string, any>;
  start: string;
  tokens_per_pass: number | null;
  drafted_per_pass: number | null;
  modelled_speedup: number | null;
  each: (number | null)[];
}

export interface Advice { text: string; config: Record<string, any>; start: string; gain: number | null; low: number | null; high: number | null; cause: string }

export interface Machine { name: string; lengths: number[]; seconds: number[]; modelled_speedup: number | null; best: string; best_speedup: number | null; break_even: number[]; again?: boolean /* measured after the study */ }

export interface Verdict { text: string; pays: boolean | null; speedup: number | null; low: number | null; high: number | null; prompts_that_pay: number; reason: string }

export interface Study {
  created: string;
  program_version: string;
  title: string;
  model: Record<string, any> | null;
  config: Record<string, any>;
  sampling: Record<string, any>;
  draft_seconds: number | null;
  verdict: Verdict;
  advice: Advice[];
  rows: Row[];
  total: Row;
  variants: Variant[];
  machines: Machine[];
  notes: string[];
  prompts?: number | null; // how many it was to have
  stopped_after?: number | null;
  max_new_tokens?: number | null;
}

/** Something that draft tokens can come from, in its colours. */
export interface Source { name: string; symbol: string; light: string; dark: string; help: string }

/** What the pictures need of the library: lookahead/report/report.py, `facts`. */
export interface Facts {
  sources: Source[];
  settings: Record<string, { flag: string; default: any }>;
  reasons: Record<string, { when: string; then: string }>; // of a verdict
  off: number; // T(n) is not that of the runs where modelled and measured speedup differ by this factor
}

/** And what they may use of the page around them; a report has the facts alone. */
export interface Around extends Facts {
  address?(row: Row): string | null; // where a row can be watched
  use?(config: Record<string, any>): void; // takes settings over, their start among them, to try them
  measure?(): void; // measures T(n) again
}

/** A picture in a box of its own. */
export interface Picture { show(study: Study, follow?: boolean): void } // follow: other settings are tried when its runs are over

export interface Column {
  name: string;
  title: string;
  help: string;
  unit?: string; // what its numbers are, below the title
  value(row: Row, at: number): number | string | null; // what it is sorted by; at: the row's place in the file
  text(row: Row, at: number): string;
  more?: boolean; // shown only with all columns
  kind?(row: Row, at: number): string; // class of the cell
  says?(row: Row): string; // title of the cell
}
