package opaque

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestIDsAreStableOpaqueAndKeptApart(t *testing.T) {
	s, err := New(NewSecret())
	if err != nil {
		t.Fatal(err)
	}
	id := s.ID("patient", 7, 9)
	if id != s.ID("patient", 7, 9) {
		t.Error("the same pair must give the same id")
	}
	if len(id) > 64 {
		t.Errorf("id has %d characters, FHIR allows 64", len(id))
	}
	if a, b, err := s.OpenID("patient", id); err != nil || a != 7 || b != 9 {
		t.Errorf("OpenID = %d, %d, %v; want 7, 9", a, b, err)
	}
	if _, _, err := s.OpenID("document", id); !errors.Is(err, ErrForged) {
		t.Error("an id of one kind opened as another")
	}
	other, _ := New(NewSecret())
	if _, _, err := other.OpenID("patient", id); !errors.Is(err, ErrForged) {
		t.Error("an id opened under another secret")
	}
	for i := range id {
		b := []byte(id)
		b[i] = "0123456789abcdefghijklmnopqrstuv"[(int(b[i])+1)%32]
		if _, _, err := s.OpenID("patient", string(b)); string(b) != id && err == nil {
			t.Fatalf("id with character %d changed was accepted", i)
		}
	}
}

func TestSealedValuesOpenOnlyWhole(t *testing.T) {
	s, _ := New(NewSecret())
	sealed := s.Seal("cursor a", []byte("payload"))
	if got, err := s.Open("cursor a", sealed); err != nil || string(got) != "payload" {
		t.Fatalf("Open = %q, %v", got, err)
	}
	if _, err := s.Open("cursor b", sealed); !errors.Is(err, ErrForged) {
		t.Error("opened under another context")
	}
	if _, err := s.Open("cursor a", sealed[:4]+"\r\n"+sealed[4:]); !errors.Is(err, ErrForged) {
		t.Error("another spelling of a value opened")
	}
	if _, err := s.Open("cursor a", sealed[:len(sealed)-2]); !errors.Is(err, ErrForged) {
		t.Error("a truncated value opened")
	}
}

func FuzzOpenID(f *testing.F) {
	s, _ := New(make([]byte, 32))
	f.Add(s.ID("patient", 1, 2))
	f.Add("")
	f.Fuzz(func(t *testing.T, id string) {
		if a, b, err := s.OpenID("patient", id); err == nil && s.ID("patient", a, b) != id {
			t.Errorf("an id opened that is not the one made")
		}
	})
}

// Ids that were given out stay good: their MAC is HMAC-SHA256 of "LENGTH:KIND:" and the block, whoever asks at the same time.
func TestIDsThatWereGivenOutStayGood(t *testing.T) {
	s, err := New(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, kind := range []string{"patient", "document", "", strings.Repeat("k", 300)} {
		wg.Go(func() {
			for n := range int64(200) {
				raw, err := lower.DecodeString(s.ID(kind, n, -n))
				if err != nil {
					t.Error(err)
					return
				}
				h := hmac.New(sha256.New, s.mac)
				_, _ = fmt.Fprintf(h, "%d:%s:", len(kind), kind)
				_, _ = h.Write(raw[:16])
				if !bytes.Equal(raw[16:], h.Sum(nil)[:8]) {
					t.Errorf("%q: the id of %d has another MAC", kind, n)
				}
			}
		})
	}
	wg.Wait()
}
