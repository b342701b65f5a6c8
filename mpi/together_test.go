package mpi

import (
	"slices"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
)

func TestTogetherTellsWhenTwoRecordsWereOnePerson(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 3, 1, 10, minute, 0, 0, time.UTC) }
	id := int64(0)
	moved := func(minute int, record hie.SourcePatientID, to hie.PersonID) Event {
		id++
		return Event{ID: id, Kind: EventMoved, At: at(minute), Record: record, To: Place{Person: to}}
	}
	for _, tt := range []struct {
		name string
		a, b []Event
		want []Stay
	}{
		{"never", []Event{moved(0, 1, 1)}, []Event{moved(1, 2, 2)}, nil},
		{"from the second's registration on", []Event{moved(0, 1, 1)}, []Event{moved(1, 2, 1)}, []Stay{{From: at(1)}}},
		{"linked and unlinked", []Event{moved(0, 1, 1)}, []Event{moved(1, 2, 2), moved(2, 2, 1), moved(5, 2, 2)}, []Stay{{at(2), at(5)}}},
		{"twice", []Event{moved(0, 1, 1)}, []Event{moved(1, 2, 1), moved(2, 2, 3), moved(3, 2, 1)}, []Stay{{at(1), at(2)}, {From: at(3)}}},
		{"both moved by one change stay together", []Event{moved(0, 1, 1), moved(4, 1, 9)}, []Event{moved(1, 2, 1), moved(4, 2, 9)}, []Stay{{From: at(1)}}},
	} {
		if got := Together(tt.a, tt.b); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	if got := Companions(1, []Event{{Record: 1, Other: 3}, {Record: 1}, {Record: 2, Other: 1}, {Record: 1, Other: 3}}); !slices.Equal(got, []hie.SourcePatientID{2, 3}) {
		t.Errorf("companions %v", got)
	}
}
