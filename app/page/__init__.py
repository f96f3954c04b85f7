"""What is on the page: layout, controls, theme, and what happens when a control is used."""
