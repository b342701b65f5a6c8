package sim

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"os"
)

// TestAFeedErrsAndIsPutRight checks the kinds of event spec simulator section 2, point 3, names: that there are some of each, that
// they say what they mean, and that the truth beside them knows which are wrong.
func TestAFeedErrsAndIsPutRight(t *testing.T) {
	if testing.Short() {
		t.Skip("counts the errors of 6,000 people")
	}
	dir, _ := written(t, 21, 6000)
	person, mrn, was := map[string]string{}, map[string]string{}, map[string]string{}
	for _, r := range rows(t, filepath.Join(dir, "records.csv")) {
		person[r[0]], mrn[r[0]] = r[1], r[16]
	}
	merged := map[string]string{}
	for _, r := range rows(t, filepath.Join(dir, "truth.csv")) {
		was[r[0]], merged[r[0]] = r[4], r[5]
	}
	text, err := os.ReadFile(filepath.Join(dir, "messages.hl7"))
	if err != nil {
		t.Fatal(err)
	}
	messages := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	events := rows(t, filepath.Join(dir, "events.csv"))
	if len(events) != len(messages) {
		t.Fatalf("%d events, %d messages", len(events), len(messages))
	}
	count, wrong, undone := map[string]int{}, map[string]string{}, 0
	ended := map[string]string{}
	mistakes, merges := 0, 0
	byControl := map[string][][]string{}
	for _, m := range messages {
		var segments [][]string
		for s := range strings.SplitSeq(strings.TrimSuffix(string(m), "\r"), "\r") {
			segments = append(segments, strings.Split(s, "|"))
		}
		byControl[segments[0][9]] = segments
	}
	for _, e := range events {
		control, record, trigger, other, mistake := e[0], e[1], e[3], e[5], e[7] == "1"
		m := byControl[control]
		if len(m) < 3 || m[1][1] != trigger {
			t.Fatalf("event %s is of another message", control)
		}
		count[trigger]++
		if end := ended[record]; end != "" {
			t.Errorf("a record goes on with %s after its %s", trigger, end)
		}
		names := func(field string) string { local, _, _ := strings.Cut(field, "^"); return local }
		switch trigger {
		case "A40":
			merges++
			if names(m[2][3]) != other || m[3][0] != "MRG" || names(m[3][1]) != mrn[record] {
				t.Errorf("an A40 merges %s into %s, the truth has %s into %s", names(m[3][1]), names(m[2][3]), mrn[record], other)
			}
			if !mistake {
				ended[record] = trigger
			}
		case "A24", "A37":
			if names(m[2][3]) != other || names(m[3][3]) != mrn[record] {
				t.Errorf("an %s names %s and %s, the truth has %s and %s", trigger, names(m[2][3]), names(m[3][3]), other, mrn[record])
			}
			if trigger == "A37" {
				if wrong[record] != other {
					t.Errorf("what was right, or another pair, was undone")
				}
				undone++
				delete(wrong, record)
			}
		case "A43":
			if was[record] == "" || names(m[2][3]) != mrn[record] || names(m[3][1]) != mrn[record] || m[2][2] == "" || m[2][2] == m[3][4] {
				t.Errorf("an A43 does not move an overlaid record from one chart to another: %v %v", m[2][2], m[3])
			}
		case "A23", "A29":
			ended[record] = trigger
		}
		if mistake != (e[6] != "" && trigger != "A37" && e[6] != e[4]) {
			t.Errorf("an %s of %s and %s is said to be a mistake: %v", trigger, e[4], e[6], mistake)
		}
		if mistake {
			mistakes++
			wrong[record] = other
		}
	}
	for _, trigger := range []string{"A28", "A04", "A08", "A31", "A40", "A37", "A24", "A43", "A29", "A23"} {
		if count[trigger] == 0 {
			t.Errorf("no %s among %v", trigger, count)
		}
	}
	if share := ratio(mistakes, merges+count["A24"]); share < .005 || share > .10 || undone >= mistakes || undone*2 < mistakes {
		t.Errorf("%d of %d merges and links are wrong, %d of them undone", mistakes, merges+count["A24"], undone)
	}
	for record, into := range merged {
		if wrong[record] != "" && into != "" && into != wrong[record] {
			t.Errorf("a wrong merge that stands is not in the truth")
		}
	}
	t.Logf("%v, %d mistakes, %d undone", count, mistakes, undone)
}

// What was written down last of a record is what its last event says, whatever the site linked, moved or deleted before.
func TestARecordSaysWhatItsLastEventSays(t *testing.T) {
	town := NewTown(4, Exchange(9), DefaultNames(4))
	for range 300 {
		f := town.Next(40)
		for _, g := range f.Records {
			last := g.Events[len(g.Events)-1].State
			if last.Given != g.Given || last.Family != g.Family || last.Birth != g.Birth || last.Local != g.Local && last.Local != "" || last.Person != g.Person {
				t.Fatalf("record %d says something else than its last event", g.Index)
			}
		}
	}
}
