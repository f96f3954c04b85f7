(...values) => {
  const names = ['max_new_tokens', 'decoding_length', 'branch_length', 'strategy', 'budget', 'sources', 'keep_trie', 'preset'];
  const query = new URLSearchParams(location.search);
  values.slice(0, names.length).forEach((value, i) => {
    if (value === null || value === undefined) return;
    query.set(names[i], Array.isArray(value) ? value.join(',') : value === true ? '1' : value === false ? '0' : String(value));
  });
  history.replaceState(history.state, '', location.pathname + '?' + query.toString());
}
