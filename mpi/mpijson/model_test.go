package mpijson

import (
	"bytes"
	"strings"
	"testing"

	"github.com/concord-hie/concord/mpi"
)

func TestAModelComesBackAsItWasWritten(t *testing.T) {
	b, err := Encode(mpi.DefaultModel())
	if err != nil {
		t.Fatal(err)
	}
	m, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Encode(m)
	if err != nil || !bytes.Equal(b, again) {
		t.Fatalf("written again it differs (%v)", err)
	}
	if !strings.HasPrefix(m.ID, "model-") {
		t.Errorf("id %q", m.ID)
	}
}

func TestWhatIsNoModelIsRefused(t *testing.T) {
	good, err := Encode(mpi.DefaultModel())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, file, want string }{
		{"nothing", "", "not a model file"},
		{"another form", strings.Replace(string(good), format, "model-0", 1), "format"},
		{"a changed number", strings.Replace(string(good), `"prior_bits": 20`, `"prior_bits": 21`, 1), "changed"},
		{"an unknown key", strings.Replace(string(good), `"margin"`, `"margins"`, 1), "not a model file"},
	} {
		if _, err := Decode([]byte(test.file)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

func TestAModelThatLearntHouseholdsIsRefused(t *testing.T) {
	for _, test := range []struct {
		name, want string
		change     func(p *mpi.Parts)
	}{
		{"given names that differ in a third", "household", func(p *mpi.Parts) { set(p, "given", "different", .33) }},
		{"every pair one person", "prior", func(p *mpi.Parts) { p.Prior = 0 }},
		{"relatives everywhere", "relatives", func(p *mpi.Parts) { p.Kin[0] = 1 }},
		{"a birth date that agrees among strangers only", "less", func(p *mpi.Parts) { set(p, "birth-date", "exact", 1e-9) }},
		{"no probability", "between", func(p *mpi.Parts) { set(p, "sex", "equal", 0) }},
		{"a level left out", "levels", func(p *mpi.Parts) { p.Levels = p.Levels[1:] }},
	} {
		p := mpi.DefaultModel().Parts()
		test.change(&p)
		if _, err := mpi.NewModel(p); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

func set(p *mpi.Parts, field, level string, same float64) {
	for i := range p.Levels {
		if p.Levels[i].Field == field && p.Levels[i].Level == level {
			p.Levels[i].Same = same
		}
	}
}
