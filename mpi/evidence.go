package mpi

import (
	"encoding/binary"
	"math"
	"slices"
)

// Rows of a waterfall that are no field's.
const (
	evidenceCeiling     = 64 + iota // what relatives share
	evidenceConsistency             // the members one by one
)

// EncodeEvidence returns the compact form in which a waterfall is stored: four bytes a row (field, level,
// hundredths of a bit). Rows no model of this program writes are left out.
func EncodeEvidence(rows []Evidence) []byte {
	out := make([]byte, 0, 4*len(rows))
	for _, r := range rows {
		f, l := byte(0xff), byte(0)
		switch r.Field {
		case "household":
			f = evidenceCeiling
		case "consistency":
			f = evidenceConsistency
		default:
			if i := slices.Index(fieldNames[:], r.Field); i >= 0 {
				f, l = byte(i), field(i).code(level(max(0, slices.Index(levelNames[i], r.Level))))
			}
		}
		if f != 0xff {
			out = append(out, f, l)
			out = binary.LittleEndian.AppendUint16(out, uint16(int16(math.Round(float64(r.Bits)*100))))
		}
	}
	return out
}

// DecodeEvidence reads what EncodeEvidence wrote; what it cannot read is left out.
func DecodeEvidence(b []byte) []Evidence {
	var out []Evidence
	for ; len(b) >= 4; b = b[4:] {
		e := Evidence{Bits: Bits(int16(binary.LittleEndian.Uint16(b[2:]))) / 100}
		switch f := b[0]; {
		case f == evidenceCeiling:
			e.Field, e.Level = "household", "ceiling"
		case f == evidenceConsistency:
			e.Field, e.Level = "consistency", "members disagree"
		case f < byte(numFields):
			l, ok := field(f).levelOf(b[1])
			if !ok {
				continue
			}
			e.Field, e.Level = fieldNames[f], levelNames[f][l]
		default:
			continue
		}
		out = append(out, e)
	}
	return out
}
