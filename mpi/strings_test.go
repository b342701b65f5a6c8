package mpi

import (
	"math"
	"strconv"
	"strings"
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

// FuzzJaroWinkler holds the comparison against another implementation on any printable ASCII, and against its own promises on
// any bytes: the same both ways round, from 0 to 1, and 1 for what is equal.
func FuzzJaroWinkler(f *testing.F) {
	f.Add([]byte("MARTHA"), []byte("MARHTA"))
	f.Add([]byte("a\xff"), []byte(""))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if len(a) > maxCompared || len(b) > maxCompared {
			return
		}
		got := jaroWinkler(a, b)
		if got < 0 || got > 1 || got != got || string(a) == string(b) && len(a) > 0 && got != 1 {
			t.Fatalf("%q/%q = %v", a, b, got)
		}
		for _, c := range append(append([]byte(nil), a...), b...) {
			if c < ' ' || c > '~' {
				return // the other implementation folds case and reads runes
			}
		}
		upper := func(s []byte) string { return strings.ToUpper(string(s)) }
		if got, want := jaroWinkler([]byte(upper(a)), []byte(upper(b))), smetrics.JaroWinkler(upper(a), upper(b), 0.7, 4); len(a) > 0 && len(b) > 0 && math.Abs(got-want) > 1e-9 {
			t.Fatalf("%q/%q = %v, want %v", upper(a), upper(b), got, want)
		}
	})
}

// FuzzEditDistance holds the distance to what a distance is.
func FuzzEditDistance(f *testing.F) {
	f.Add([]byte("smith"), []byte("smtih"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if len(a) > maxCompared || len(b) > maxCompared {
			return
		}
		d := editDistance(a, b)
		if d != editDistance(b, a) || (d == 0) != (string(a) == string(b)) || d < max(len(a), len(b))-min(len(a), len(b)) || d > max(len(a), len(b)) {
			t.Fatalf("%q/%q = %d", a, b, d)
		}
		if oneEdit(a, b) != (d == 1) {
			t.Fatalf("%q/%q are %d apart, and one edit says %v", a, b, d, oneEdit(a, b))
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

func TestNoWordsAreMoreAlikeThanTheirLettersAllow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tokens [2]token
		for i, label := range [...]string{"a", "b"} {
			tokens[i].n = uint8(copy(tokens[i].text[:], rapid.StringMatching(`[a-e1-3-]{1,24}`).Draw(t, label)))
			tokens[i].finish()
		}
		a, b := &tokens[0], &tokens[1]
		if most, is := mostAlike(a, b), jaroWinkler(a.bytes(), b.bytes()); most < is {
			t.Fatalf("%s/%s at most %v, is %v", a.bytes(), b.bytes(), most, is)
		}
	})
}

func TestOneDigitIsOneOfDigitsWrittenOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := []byte(rapid.StringMatching(`[0-9]{1,10}`).Draw(t, "a"))
		b := append([]byte(nil), a...)
		for range rapid.IntRange(0, 2).Draw(t, "edits") {
			i, j := rapid.IntRange(0, len(b)-1).Draw(t, "at"), rapid.IntRange(0, len(b)-1).Draw(t, "other")
			if rapid.Bool().Draw(t, "swap") {
				b[i], b[j] = b[j], b[i]
			} else {
				b[i] = "0123456789"[rapid.IntRange(0, 9).Draw(t, "digit")]
			}
		}
		var differ []int
		for i := range a {
			if a[i] != b[i] {
				differ = append(differ, i)
			}
		}
		want := len(differ) == 1 || len(differ) == 2 && differ[1] == differ[0]+1 && a[differ[0]] == b[differ[1]] && a[differ[1]] == b[differ[0]]
		x, errX := strconv.Atoi(string(a))
		y, errY := strconv.Atoi(string(b))
		if errX != nil || errY != nil {
			t.Fatal(errX, errY)
		}
		if got := oneDigit(x, y); got != want || oneDigit(y, x) != want || digitsApart(x, y) != len(differ) {
			t.Fatalf("%s/%s: %v, %d digits, want %v, %d", a, b, got, digitsApart(x, y), want, len(differ))
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
