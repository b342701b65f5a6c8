package mpipg

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

func TestABodyComesBackAsItWasPacked(t *testing.T) {
	full := mpi.Demographics{
		Names: []mpi.Name{{Use: "official", Text: "x", Given: []string{"A", "B"}, Family: "C", Prefix: []string{"Dr"}, Suffix: []string{"Jr"},
			Period: mpi.Period{Start: mpi.Date{Year: 2001}, End: mpi.Date{Year: 2002, Month: 3}}}, {Use: "maiden", Family: "D"}},
		Birth: mpi.Date{Year: 1980, Month: 2, Day: 3}, Sex: mpi.OtherSex,
		Addresses: []mpi.Address{{Use: "home", Text: "t", Lines: []string{"l", "m"}, City: "c", District: "d", State: "s", PostalCode: "p", Country: "n"}},
		Telecoms:  []mpi.Telecom{{System: "phone", Value: "1", Use: "home"}},
		Identifiers: []mpi.Identifier{{Identifier: hie.Identifier{System: "s", Value: "v"}, Type: "MR", Use: "usual",
			Period: mpi.Period{Start: mpi.Date{Year: 1999, Month: 12, Day: 31}}}},
		Multiple: mpi.MultipleBirth{Known: true, Multiple: true, Order: 2}, MothersMaidenName: "M", Guardians: []mpi.Name{{Given: []string{"G"}, Family: "C"}},
		Deceased: mpi.Deceased{Known: true, Dead: true, On: mpi.Date{Year: 2020, Month: 1}},
	}
	received := []byte(`{"resourceType":"Patient","gender":"female"}`)
	for _, test := range []struct {
		name     string
		d        mpi.Demographics
		received []byte
	}{{"everything", full, received}, {"nothing", mpi.Demographics{}, nil}, {"bytes that are no text", full, []byte{0, 255, 1, 254}},
		{"a long body", full, bytes.Repeat(received, 2000)}, {"a body that repeats one byte", full, bytes.Repeat([]byte{'x'}, 1<<14)}} {
		body, err := pack(test.d, test.received)
		if err != nil {
			t.Fatal(err)
		}
		d, got, err := unpack(body)
		if err != nil || !reflect.DeepEqual(d, test.d) || !bytes.Equal(got, test.received) {
			t.Errorf("%s: came back different, %v", test.name, err)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	body, err := pack(mpi.Demographics{Sex: mpi.Male}, []byte("{}"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte{packFormat})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, received, err := unpack(b)
		if err != nil {
			return
		}
		again, err := pack(d, received)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if d2, r2, err := unpack(again); err != nil || !reflect.DeepEqual(d, d2) || !bytes.Equal(received, r2) {
			t.Errorf("not stable: %v", err)
		}
	})
}
