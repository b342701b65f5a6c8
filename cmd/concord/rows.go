package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// printRows writes rows to out: as one JSON array when output is "json", else as a table under head, in which line writes a row.
// Cells are parted by tabs, and each line ends in a newline.
func printRows[T any](out io.Writer, output, head string, rows []T, line func(w io.Writer, row T)) error {
	if output == "json" {
		return json.NewEncoder(out).Encode(rows)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, head)
	for _, r := range rows {
		line(w, r)
	}
	return w.Flush()
}
