package main

// A fieldDiff is one value before and after, in the JSON form of what applying a file changes.
type fieldDiff struct {
	Name   string `json:"name"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// fieldDiffs gives the fields of a change of the directory or of clients their JSON form; nil for none.
func fieldDiffs[F ~struct{ Name, Before, After string }](fields []F) []fieldDiff {
	var out []fieldDiff
	for _, f := range fields {
		out = append(out, fieldDiff(f))
	}
	return out
}
