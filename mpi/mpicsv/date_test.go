package mpicsv_test

import (
	"testing"

	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpicsv"
)

func TestADateIsReadHoweverItIsWritten(t *testing.T) {
	third := mpi.Date{Year: 1980, Month: 2, Day: 3}
	for _, c := range []struct {
		name, raw string
		want      mpi.Date
	}{
		{"year first", "1980-02-03", third},
		{"without separators", "19800203", third},
		{"the month first", "2/3/1980", third},
		{"the day first, where it can be no month", "23.02.1980", mpi.Date{Year: 1980, Month: 2, Day: 23}},
		{"without separators, the year last", "02031980", third},
		{"and the day first", "19122005", mpi.Date{Year: 2005, Month: 12, Day: 19}},
		{"a month that cannot be", "19432008", mpi.Date{Year: 1943, Month: 8, Day: 20}},
		{"digits that are no date", "19431920", mpi.Date{Year: 1943, Month: 19, Day: 20}},
		{"with a time", "1980-02-03T00:00:00Z", third},
		{"with a time behind a space", "2/3/1980 0:00", third},
		{"the month in three letters", "03-Feb-1980", third},
		{"the month as a word, first", "February 3, 1980", third},
		{"the month as a word, behind the year", "1980 February 3", third},
		{"two digits of the year", "02/03/80", third},
		{"two digits of a year of this century", "02/03/14", mpi.Date{Year: 2014, Month: 2, Day: 3}},
		{"month and year", "02/1980", mpi.Date{Year: 1980, Month: 2}},
		{"year and month", "1980-02", mpi.Date{Year: 1980, Month: 2}},
		{"the year", "1980", mpi.Date{Year: 1980}},
		{"letters read for digits", "l98O-02-03", third},
		{"no year", "2/3", mpi.Date{}},
		{"no date", "unknown", mpi.Date{}},
	} {
		if got := mpicsv.Date(c.raw); got != c.want {
			t.Errorf("%s: year %d, month %d, day %d; want %d, %d, %d", c.name, got.Year, got.Month, got.Day, c.want.Year, c.want.Month, c.want.Day)
		}
	}
}
