package mpicsv_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/concord-hie/concord/mpi"
	"github.com/concord-hie/concord/mpi/mpicsv"
)

// How a source writes dates is seen in those that can be read one way only.
func TestASourceWritesAllItsDatesOneWay(t *testing.T) {
	const header = "record_id,source,given,middle,family,suffix,birth_date,sex,ssn,phone,email,street,city,state,postal_code,mrn,extra\n"
	february, march := mpi.Date{Year: 1980, Month: 2, Day: 3}, mpi.Date{Year: 1980, Month: 3, Day: 2}
	for _, test := range []struct {
		name  string
		dates []string
		raw   string
		want  mpi.Date
	}{
		{"days above twelve stand first", []string{"23/02/1980", "14.11.1975", "31-12-99"}, "03/02/1980", february},
		{"days above twelve stand second", []string{"02/23/1980", "11/14/1975", "12/31/1999"}, "03/02/1980", march},
		{"nothing tells", []string{"01/02/1980"}, "03/02/1980", march},
		{"two dates are chance", []string{"23/02/1980", "14/11/1975"}, "03/02/1980", march},
		{"both ways are none", []string{"23/02/1980", "14/11/1975", "31/12/1999", "12/31/1999"}, "03/02/1980", march},
		{"a slip among many is a slip", []string{"23/02/1980", "14/11/1975", "31/12/1999", "30/12/1999", "29/01/1980", "12/31/1999"}, "03/02/1980", february},
		{"what is left of dates that somebody read already tells nothing", append(slices.Repeat([]string{"1980-02-03"}, 12), "23/02/1980", "14/11/1975", "31/12/1999"), "03/02/1980", march},
		{"a month that is a word stays one", []string{"23/02/1980", "14/11/1975", "31/12/1999"}, "3 February 1980", february},
		{"a year first stays first", []string{"23/02/1980", "14/11/1975", "31/12/1999"}, "1980-02-03", february},
		{"a day that cannot be a month stays a day", []string{"02/23/1980", "11/14/1975", "12/31/1999"}, "23/02/1980", mpi.Date{Year: 1980, Month: 2, Day: 23}},
	} {
		var file strings.Builder
		file.WriteString(header)
		file.WriteString("asked,s,,,,," + test.raw + ",,,,,,,,,,\nother,t,,,,," + test.raw + ",,,,,,,,,,\n")
		for i, d := range test.dates {
			file.WriteString("r" + strconv.Itoa(i) + ",s,,,,," + d + ",,,,,,,,,,\n")
		}
		dayFirst, err := mpicsv.ReadDayFirst(strings.NewReader(file.String()))
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		got := map[string]mpi.Date{}
		if err := mpicsv.ReadDated(strings.NewReader(file.String()), nil, dayFirst, func(r mpicsv.Record) error { got[r.ID] = r.Demographics.Birth; return nil }); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if got["asked"] != test.want {
			t.Errorf("%s: month %d, day %d; want %d, %d", test.name, got["asked"].Month, got["asked"].Day, test.want.Month, test.want.Day)
		}
		if want := mpicsv.Date(test.raw); got["other"] != want {
			t.Errorf("%s: another source is read by this one's habit", test.name)
		}
	}
	if _, err := mpicsv.ReadDayFirst(strings.NewReader("record_id,source\n")); err == nil {
		t.Error("a file without birth dates is taken")
	}
}
