(...values) => {
  const names = NAMES;
  const defaults = DEFAULTS;
  const query = new URLSearchParams(location.search);
  values.slice(0, names.length).forEach((value, i) => {
    if (value === null || value === undefined) return;
    const text = Array.isArray(value) ? [...value].sort().join(',') : value === true ? '1' : value === false ? '0' : typeof value === 'number' ? String(Number(value.toFixed(6))) : String(value);
    if (text === defaults[i]) query.delete(names[i]);
    else query.set(names[i], text);
  });
  const search = query.toString();
  history.replaceState(history.state, '', location.pathname + (search ? '?' + search : '') + location.hash);
}
