(...values) => {
  const defaults = DEFAULTS;
  const query = new URLSearchParams(location.search);
  const given = Object.fromEntries(NAMES.map((name, i) => [name, values[i]]));
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined) continue;
    const text = Array.isArray(value) ? [...value].sort().join(',') : value === true ? '1' : value === false ? '0' : typeof value === 'number' ? String(Number(value.toFixed(6))) : String(value);
    if (text === defaults[name]) query.delete(name);
    else query.set(name, text);
  }
  const search = query.toString();
  history.replaceState(history.state, '', location.pathname + (search ? '?' + search : '') + location.hash);
}
