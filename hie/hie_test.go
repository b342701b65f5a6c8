package hie

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

func TestPrivateValuesNeverPrint(t *testing.T) {
	id := Identifier{System: "urn:canary", Value: "Zyxquill"}
	for _, s := range []string{
		fmt.Sprint(id), fmt.Sprintf("%v %+v %#v %s %q", id, id, id, id, id), fmt.Sprintf("%v", &id),
		fmt.Sprintf("%v", []Identifier{id}), fmt.Errorf("wrap: %v", id).Error(),
	} {
		if strings.Contains(s, "Zyxquill") || strings.Contains(s, "canary") {
			t.Errorf("a private value printed itself through fmt")
		}
	}
	var buf bytes.Buffer
	for _, h := range []slog.Handler{slog.NewJSONHandler(&buf, nil), slog.NewTextHandler(&buf, nil)} {
		slog.New(h).Info("x", "id", id, "ids", []Identifier{id}, "p", &id)
	}
	if strings.Contains(buf.String(), "Zyxquill") {
		t.Errorf("a private value was logged")
	}
	if _, err := json.Marshal(id); err == nil {
		t.Errorf("a private value was marshalled")
	}
}

func TestIDsRiseAndNeverRepeatWithinAProcess(t *testing.T) {
	ids := NewIDs(nil)
	var mu sync.Mutex
	seen := map[int64]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			last := int64(0)
			for range 5000 {
				id := ids.Next()
				if id <= last {
					t.Errorf("ids of one caller must rise")
					return
				}
				last = id
				mu.Lock()
				if seen[id] {
					t.Errorf("id handed out twice")
				}
				seen[id] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}
