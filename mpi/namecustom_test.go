package mpi

import (
	"strings"
	"testing"
)

func TestSyllablesOfNamesThatComeAfterTheFamilyName(t *testing.T) {
	for w := range strings.FieldsSeq(`mei wei jian xiu ying qiang zhi yong xinyi yuting jiahao minjun jihoon sungho hyunwoo younghee eunji misook lan huong thuy
		ngoc phuong trang khoa quang hsiu tsai`) {
		if !syllabic(w) {
			t.Errorf("%s is not taken for syllables", w)
		}
	}
	for w := range strings.FieldsSeq(`mri xiy jign wfi fsng yinf brian christopher stephen`) {
		if syllabic(w) {
			t.Errorf("%s is taken for syllables", w)
		}
	}
}
