"""Pictures of a study as modules of JavaScript, which the page ``/lab`` shows, and a report that holds them all."""
