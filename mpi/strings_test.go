package mpi

import (
	"math"
	"testing"

	"github.com/xrash/smetrics"
	"pgregory.net/rapid"
)

func TestJaroWinkler(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want float64
	}{{"MARTHA", "MARHTA", .9611}, {"DIXON", "DICKSONX", .8133}, {"DWAYNE", "DUANE", .8400}, {"CRATE", "TRACE", .7333}, {"AB", "BA", 0},
		{"", "", 0}, {"A", "", 0}, {"SAME", "SAME", 1}} {
		if got := jaroWinkler([]byte(test.a), []byte(test.b)); math.Abs(got-test.want) > .00005 {
			t.Errorf("%s/%s = %.4f, want %.4f", test.a, test.b, got, test.want)
		}
	}
}

func word(t *rapid.T, label string) string { return rapid.StringMatching(`[a-e]{1,12}`).Draw(t, label) }

func TestJaroWinklerAgreesWithAnotherImplementation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := word(t, "a"), word(t, "b")
		if got, want := jaroWinkler([]byte(a), []byte(b)), smetrics.JaroWinkler(a, b, 0.7, 4); math.Abs(got-want) > 1e-9 {
			t.Fatalf("%s/%s = %v, want %v", a, b, got, want)
		}
	})
}

func TestEditDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"nc", "cn", 1}, {"ca", "abc", 3}, {"smith", "smtih", 1}, {"anna", "ana", 1}} {
		if got := editDistance([]byte(test.a), []byte(test.b)); got != test.want {
			t.Errorf("%q/%q = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

func TestOneEditMeansDistanceOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := []byte(word(t, "a"))
		b := append([]byte(nil), a...)
		i := rapid.IntRange(0, len(b)-1).Draw(t, "at")
		switch rapid.IntRange(0, 3).Draw(t, "edit") {
		case 0:
			b[i] = 'z'
		case 1:
			b = append(b[:i], b[i+1:]...)
		case 2:
			b = append(b[:i], append([]byte{'q'}, b[i:]...)...)
		case 3:
			b = []byte(word(t, "b"))
		}
		if got, want := oneEdit(a, b), editDistance(a, b) == 1; got != want || oneEdit(b, a) != want {
			t.Fatalf("%s/%s = %v, want %v", a, b, got, want)
		}
	})
}

func TestPhonetic(t *testing.T) {
	code := func(s string) uint32 { return phonetic([]byte(s)) }
	for _, pair := range [][2]string{{"smith", "smyth"}, {"catherine", "kathryn"}, {"stephen", "steven"}, {"schmidt", "shmit"}, {"phillips", "filips"},
		{"knight", "nite"}, {"wright", "rite"}, {"jon", "john"}, {"gonzalez", "gonsales"}, {"xavier", "zavier"}} {
		if code(pair[0]) != code(pair[1]) {
			t.Errorf("%s and %s sound alike", pair[0], pair[1])
		}
	}
	for _, pair := range [][2]string{{"smith", "jones"}, {"anna", "emma"}, {"miller", "baker"}, {"brown", "green"}} {
		if code(pair[0]) == code(pair[1]) {
			t.Errorf("%s and %s do not sound alike", pair[0], pair[1])
		}
	}
	if code("") != 0 || code("123") != 0 {
		t.Error("no letters have no sound")
	}
}
