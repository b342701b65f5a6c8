package mpicsv_test

import (
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/mpi/mpicsv"
)

// Three records of one person and a stranger: which keys bring whom together can be told by hand.
func TestAKeyEarnsThePairsItBringsTogether(t *testing.T) {
	const file = "record_id,person_id,source,given,middle,family,suffix,birth_date,sex,ssn,phone,email,street,city,state,postal_code,mrn,extra\n" +
		"1,p,a,Orla,,Quennell,,1961-04-07,,219-44-7781,410-366-0912,,,,,,,\n" + // all there is
		"2,p,b,,,,,,,219-44-7781,,,,,,,,\n" + // the number only
		"3,p,c,,,,,,,,410-366-0912,,,,,,,\n" + // the telephone only
		"4,q,d,Bram,,Oosterhuis,,1961-04-07,,,,,,,,,,\n" + // the birth date only, of another
		"5,,e,Orla,,Quennell,,1961-04-07,,219-44-7781,410-366-0912,,,,,,,\n" // nobody knows of whom
	truth, err := mpicsv.ReadTruth(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var records []mpicsv.Record
	if err := mpicsv.Read(strings.NewReader(file), nil, func(r mpicsv.Record) error { records = append(records, r); return nil }); err != nil {
		t.Fatal(err)
	}
	ticks := time.Unix(0, 0)
	e := mpicsv.EarningsOf(records, truth, func() time.Time { ticks = ticks.Add(time.Second); return ticks })
	if e.Records != 4 || e.True != 3 || e.Found != 2 || e.Pairs != 3 {
		t.Errorf("%d records, %d true pairs, %d of them found among %d compared; want 4, 3, 2, 3", e.Records, e.True, e.Found, e.Pairs)
	}
	kinds := map[string]mpicsv.KeyEarning{}
	for _, k := range e.Kinds {
		kinds[k.Kind] = k
	}
	for _, c := range []struct {
		kind                                string
		live                                bool
		keys, pairs, alone, same, sameAlone int
	}{
		{"ssn", true, 2, 1, 0, 1, 0}, // the halves of the number find the pair as well
		{"phone", true, 2, 1, 0, 1, 0},
		{"birth-date", false, 2, 1, 1, 0, 0},
		{"names", true, 2, 0, 0, 0, 0},
	} {
		k := kinds[c.kind]
		if k.Live != c.live || k.Keys != c.keys || k.Pairs != c.pairs || k.PairsAlone != c.alone || k.Same != c.same || k.SameAlone != c.sameAlone {
			t.Errorf("%s: %+v; want %+v", c.kind, k, c)
		}
		if k.BatchBytes != 7*c.keys || (k.LiveBytes > 0) != c.live {
			t.Errorf("%s takes %d and %d bytes", c.kind, k.BatchBytes, k.LiveBytes)
		}
	}
	if k := kinds["birth-date"]; k.Alone != time.Second/3 {
		t.Errorf("one pair of three takes %v of a second", k.Alone)
	}
}
