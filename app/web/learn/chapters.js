// The course: eight chapters, each one idea, one thing to do and one question. The texts alone; pictures are in lessons/.

/** @import { Chapter } from './types' */

/** @type {Chapter[]} */ export const CHAPTERS = [
  {
    slug: 'pass', title: 'One token, one pass', panes: ['numbers'],
    text: [
      'A language model writes one token at a time. For each token, all its weights are read from memory once: that is one forward pass.',
      'Reading the weights takes most of that time, not the arithmetic. So one pass over many tokens takes far less time than many passes over one.',
      'Could we fill the pass with good guesses of what comes next?',
    ],
    task: 'Drag the slider to 16 tokens or more and compare the two bars.',
    ask: 'Why is one pass over 16 tokens so much faster than 16 passes?',
    options: [
      { text: 'The model skips the easy tokens.', why: 'No. Every token goes through every layer.' },
      { text: 'The weights are read once, not 16 times.', why: 'Right. All tokens of a pass share one reading of the weights.', right: true },
      { text: 'The model computes less precisely.', why: 'No. The arithmetic for each token is the same.' },
    ],
  },
  {
    slug: 'trie', title: 'The Trie grows', panes: ['live_trie'], signs: '+ and a blue frame: new or counted again since the last step. The number: how often it was read. Yellow: the ending of the text that was found.',
    text: [
      'The guesses come from a Trie: a tree of all short token sequences read so far. Every new token is added after the last one, two and three tokens.',
      'A sequence read twice shares one path, and its count says 2. Nothing is trained; adding a token takes microseconds.',
      'Drawn here 4 tokens deep. The real one reaches 12.',
    ],
    task: 'Type two sentences of your own that share two words in a row. Then read them to the end.',
    ask: 'The Trie has read “the cat sat” and “the cat ran”. What is the count of “the cat”?',
    options: [
      { text: '1: it is one path', why: 'Not quite. The path is shared, and its count says how often it was read.' },
      { text: '2', why: 'Right. One path, read twice; below it “sat” and “ran” have 1 each.', right: true },
      { text: '4: two words, twice', why: 'No. A count is for the whole sequence, not for its words.' },
    ],
  },
  {
    slug: 'suffix', title: 'Find the suffix', panes: [],
    text: [
      'What comes next? The Trie looks at how the text ends, and finds the longest ending that it has read before. What followed then is the guess now.',
      'A longer match is better evidence. Shorter endings are asked as well: they fill the rest of the draft.',
    ],
    task: 'Go on typing until the last 4 tokens have been read before.',
    ask: 'The text ends in “the cat sat”. “cat sat” was once followed by “on”; “sat” alone was nine times followed by “down”. Which is asked first?',
    options: [
      { text: '“on”, after the longer match', why: 'Right. Two matching tokens say more about this place than one.', right: true },
      { text: '“down”, it has the higher count', why: 'Not first. Counts compare guesses after the same match; “down” may still join the draft later.' },
    ],
  },
  {
    slug: 'draft', title: 'From Trie to draft tree', panes: ['draft_tree'], signs: '%: chance that all tokens up to this one are right. ✓ accepted, ✗ rejected (≠ what the model chose), ○ not reached, + the model’s own token.',
    text: [
      'Each guess gets an estimated probability. Down a branch they multiply: every token must be right for the next one to count.',
      'The draft tree is built best first: always the most probable guess that is left joins next, deeper or beside. The width limits the tokens of the pass; the last written token, the root, is one of them.',
    ],
    task: 'Guess what joins next, then widen by one. At which width has the tree two branches?',
    ask: 'A guess has 60 %. The token after it has 50 % if that guess is right. How likely is it that the model gets there?',
    options: [
      { text: '50 %', why: 'No. That holds only if the first guess is right.' },
      { text: '30 %', why: 'Right. 0.6 × 0.5: both must be right.', right: true },
      { text: '55 %', why: 'No. Both must be right, so the probabilities multiply.' },
    ],
  },
  {
    slug: 'mask', title: 'One pass, many branches', panes: ['attention_mask'], signs: 'A row is a token with its position; its filled cells are what it sees. First column: all tokens before the root. ✓ accepted, ✗ rejected, ○ not reached.',
    text: [
      'All branches go through the model in one pass, in one row of tokens. A causal mask would let each token see everything before it, guesses of other branches included.',
      'The tree mask hides them: a token sees the text so far, its own ancestors and itself. Two guesses for the same place in the text get the same position; with a causal mask all are numbered in a row.',
    ],
    task: 'Switch to the causal mask, and click a row that sees a guess of another branch.',
    ask: 'Look at the tree mask: how many cells are filled in the row of the third guess of a branch, the column of the earlier text not counted?',
    options: [
      { text: '3: the guesses of its branch', why: 'No. Its own cell is one of three guesses, and the root is in the pass as well.' },
      { text: '4: the guesses of its branch and the root', why: 'Right. Its ancestors, of which the root is the first, and itself.', right: true },
      { text: 'All that are above it, and its own', why: 'No. So it is in the causal mask; here other branches stay empty.' },
    ],
  },
  {
    slug: 'verify', title: 'Accept, reject, bonus', panes: ['written_text'], signs: 'Each colour is explained above the text. Yellow: the ending that the Trie knew, and where it had read it. ␣ is a space, ⏎ a line break.',
    text: [
      'The pass returns the model’s own choice after every token of the tree. Now walk down from the root.',
      'If one of the children is the model’s choice, it is accepted, and the walk continues from there. If none is, they are rejected, what is below them is not reached, and the model’s own choice is written: the bonus token. (Papers say bonus only after a wholly accepted draft, else correction.)',
    ],
    task: 'Walk: click the child that the model chose, or say that none is. Then example 2.',
    ask: 'Every guess of a draft is wrong. How many tokens does the pass write?',
    options: [
      { text: 'None, it has to be repeated', why: 'No. The model’s choice after the root is valid whatever the draft says.' },
      { text: 'One, the model’s own', why: 'Right. As many as plain decoding, but the wide pass took longer: chapter 8 measures it.', right: true },
      { text: 'One, the best of the guesses', why: 'No. A guess that the model did not choose is never written.' },
    ],
  },
  {
    slug: 'lossless', title: 'Why nothing can change', panes: [],
    text: [
      'A draft token is written only if it is exactly what the model chose at that place. A wrong guess is dropped; a right one would have been written anyway.',
      'So the draft cannot change the text. It only decides how many passes the text takes. Try to break it.',
      'No model runs here: its choices were recorded, so this text could not change. Compare, on Watch, runs it both ways.',
    ],
    task: 'Plant a wrong branch, then one that is right to its end. Compare the rows.',
    ask: 'Somebody fills the Trie with nonsense. What happens to the text?',
    options: [
      { text: 'Some nonsense slips in', why: 'No. Nonsense is written only if the model itself would have chosen it.' },
      { text: 'It stays the same, at most in more passes', why: 'Right. Nonsense is rejected. It costs passes only where it takes the place of good guesses: never more than plain decoding.', right: true },
      { text: 'The model stops', why: 'No. Each pass still writes the model’s own token.' },
    ],
  },
  {
    slug: 'pay', title: 'When it does not pay', panes: ['race', 'what_if'], signs: 'Race: one lane per run, filled as passes or time go by. What if: the run’s numbers beside those that other settings would have given.',
    text: [
      'A wider pass takes longer. It pays only if it writes more tokens than it costs: above the line, T(n) / T(1).',
      'Text that quotes the prompt writes many tokens per pass, free text few. A Trie that has read a similar answer before is warm, and helps more.',
      'An adaptive width drafts only as much as pays, down to nothing.',
    ],
    task: 'Find a fixed width at which one text is slower than plain decoding. Then switch to adaptive.',
    ask: 'A pass of 16 tokens takes 2 times as long as a pass of one, and writes 1.5 tokens on average. Is that faster?',
    options: [
      { text: 'Yes, 1.5 times', why: 'No. That would be right if the wide pass took no longer.' },
      { text: 'No: 1.5 tokens for the price of 2', why: 'Right. It would have to write more than 2 per pass.', right: true },
    ],
  },
];

export const MINUTES = 20;
