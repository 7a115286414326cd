package addrs

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestPath(t *testing.T) {
	for _, c := range []struct {
		path Path
		text string
		want []string
	}{
		{"", "", nil},
		{Path("").Child("countries").Index(2), "countries[2]", []string{"countries", "2"}},
		{Path("").Child("object").Child("brand__c").Child("permissions"), "object.brand__c.permissions", []string{"object", "brand__c", "permissions"}},
		{Path("").Child("field").Child("*").Child("a/b~1"), `field["*"]["a/b~1"]`, []string{"field", "*", "a/b~1"}},
		{Path("").Child("values").Child(""), `values[""]`, []string{"values", ""}},
	} {
		if got := c.path.String(); got != c.text {
			t.Errorf("%q prints %s, want %s", string(c.path), got, c.text)
		}
		if diff := cmp.Diff(c.want, c.path.Steps()); diff != "" {
			t.Errorf("steps of %q (-want +got)\n%s", string(c.path), diff)
		}
	}
}

func TestPathRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := rapid.SliceOfN(rapid.StringMatching(`[a-z~/01]{0,5}`), 1, 5).Draw(t, "steps")
		var path Path
		for n, step := range steps {
			outer := path
			path = path.Child(step)
			if !path.Within(outer) || outer.Within(path) || !path.Within(path) {
				t.Fatalf("%q within %q", path, outer)
			}
			if n == 0 && path.Root() != step {
				t.Fatalf("root of %q is %q", path, path.Root())
			}
		}
		if diff := cmp.Diff(steps, path.Steps()); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	})
	for path, meets := range map[Path]bool{"/a/b": true, "/a": true, "/a/b/c": true, "": true, "/a/c": false, "/a/bc": false, "/b": false} {
		if path.MeetsAny([]Path{"/x", "/a/b"}) != meets {
			t.Errorf("%q meets /a/b: %v", path, !meets)
		}
	}
	if Path("/ab").Within("/a") {
		t.Error("/ab is beside /a, not in it")
	}
}
