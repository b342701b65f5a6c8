package mpipg

import (
	"slices"
	"testing"
)

// BenchmarkLoad loads what the sites of an exchange send, as concord import patients does; one op is one registration.
func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	x := newIndexed(b)
	all := town(b, 5, max(b.N/3, 1)+60)
	all = all[:min(len(all), b.N)]
	b.ResetTimer()
	for part := range slices.Chunk(all, 4000) {
		if _, err := x.Index.Load(b.Context(), loader, x.Store, nil, part); err != nil {
			b.Fatal(err)
		}
	}
}
