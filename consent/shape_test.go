package consent

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/concord-hie/concord/hie"
)

func TestPeopleOnOneFormShareWhatItSays(t *testing.T) {
	env, err := NewEnv(Setup{Policies: BuiltinPolicies(), Organizations: []Organization{{ID: "north"}}, Sites: []Site{{ID: "s1", Org: "north"}, {ID: "s2", Org: "north"}}})
	if err != nil {
		t.Fatal(err)
	}
	shapeOf := func(n int, site hie.SiteID, edit func(*Directive)) *shape {
		at := time.Unix(int64(n), 0)
		d := Directive{ID: fmt.Sprint(n), Version: int64(n), Record: fmt.Sprint(n), Filed: at, Signed: at, Verified: n%2 == 0, Status: "active", Scope: "patient-privacy",
			Performers: []string{fmt.Sprint("Patient/", n)}, Policies: []string{PolicySharing}, Provision: &Provision{Type: "permit", Purposes: []string{"TREAT"}}}
		edit(&d)
		return Compile(env, Subject{Records: []Record{{ID: fmt.Sprint(n), Site: site, Link: hie.LinkConfirmed}}}, []Directive{d}).dirs[0].shape
	}
	same := func(*Directive) {}
	first := shapeOf(1, "s1", same)
	for _, tt := range []struct {
		name   string
		got    *shape
		shares bool
	}{
		{"another patient of the same site", shapeOf(2, "s1", same), true},
		{"signed by another", shapeOf(3, "s1", func(d *Directive) { d.Performers = []string{"RelatedPerson/x"} }), true},
		{"a patient of another site, to which it is bound", shapeOf(4, "s2", same), false},
		{"with an exception of their own", shapeOf(5, "s1", func(d *Directive) { d.Provision.Provisions = []Provision{{Type: "deny", Labels: []string{"HIV"}}} }), false},
		{"revoked", shapeOf(6, "s1", func(d *Directive) { d.Status = "inactive" }), false},
	} {
		if (tt.got == first) != tt.shares {
			t.Errorf("%s: shares %t, want %t", tt.name, tt.got == first, tt.shares)
		}
	}
	for n := range 2 * maxShapes {
		shapeOf(100+n, "s1", func(d *Directive) { d.Provision.Classes = []string{fmt.Sprint(n)} })
	}
	if n := len(env.shapes.known); n == 0 || n > maxShapes {
		t.Errorf("%d shapes are remembered, want at most %d", n, maxShapes)
	}
}

// TestWhatAPersonOnAFormSaidTakes64Bytes holds what a wish costs besides the shape it shares.
//
// Source: spec consent section 4.
func TestWhatAPersonOnAFormSaidTakes64Bytes(t *testing.T) {
	if n := unsafe.Sizeof(compiled{}); n > 64 {
		t.Errorf("a directive made ready takes %d bytes of each person's own, want at most 64", n)
	}
}

// TestEveryPartOfADirectiveCountsInItsShape changes each member of a directive in turn, those of its tree among them: what two
// directives differ in is in their keys, or is no part of a shape.
func TestEveryPartOfADirectiveCountsInItsShape(t *testing.T) {
	apart := []string{"Private", "ID", "Version", "Record", "Filed", "Signed", "SignedWithin", "Verified", "Performers"} // each patient's own
	whole := func() *Directive {
		d := new(Directive)
		fill(reflect.ValueOf(d).Elem(), 3)
		return d
	}
	before, seen := string(shapeKey(nil, whole(), "s")), 0
	var change func(root *Directive, v reflect.Value, path string)
	change = func(root *Directive, v reflect.Value, path string) {
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				if name := v.Type().Field(i).Name; v.Type() != reflect.TypeFor[Directive]() || !slices.Contains(apart, name) {
					change(root, v.Field(i), path+"."+name)
				}
			}
			return
		case reflect.Pointer:
			if !v.IsNil() {
				change(root, v.Elem(), path)
			}
			was := v.Interface()
			v.SetZero()
			defer v.Set(reflect.ValueOf(was))
		case reflect.Slice:
			for i := range v.Len() {
				change(root, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
			}
			was := v.Interface()
			v.SetLen(v.Len() - min(1, v.Len()))
			defer v.Set(reflect.ValueOf(was))
		case reflect.String:
			was := v.String()
			v.SetString(was + "x")
			defer v.SetString(was)
		case reflect.Bool:
			was := v.Bool()
			v.SetBool(!was)
			defer v.SetBool(was)
		default:
			t.Fatalf("%s is of a kind this test cannot change", path)
		}
		if v.Kind() == reflect.Slice && v.Cap() == 0 {
			return // an empty list, at the bottom of the tree
		}
		if seen++; string(shapeKey(nil, root, "s")) == before && !reflect.DeepEqual(root, whole()) {
			t.Errorf("%s is no part of the key", path)
		}
	}
	d := whole()
	change(d, reflect.ValueOf(d).Elem(), "Directive")
	if !reflect.DeepEqual(d, whole()) {
		t.Fatal("the directive was not put back")
	}
	if seen < 100 {
		t.Errorf("only %d members were changed", seen)
	}
	if string(shapeKey(nil, d, "s2")) == before {
		t.Error("the site is no part of the key")
	}
}

// fill gives every member of v a value, trees down to depth.
func fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() && v.Type().Field(i).Type != reflect.TypeFor[time.Time]() {
				fill(v.Field(i), depth)
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth)
	case reflect.Slice:
		if v.Type().Elem() == reflect.TypeFor[Provision]() {
			if depth--; depth == 0 {
				return
			}
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), depth)
		}
	case reflect.String:
		v.SetString("v")
	}
}
