//! Keys and JWTs that others made: the specifications' examples, and some of `jose` for Node.

use serde_json::{Value, json};

use crate::protocol::algorithm::JwsAlgorithm;

/// RFC 7515 A.1: HS256.
pub(super) const RFC7515_HS256: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
    eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
    dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const RFC7515_HS256_KEY: &str = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";

/// RFC 7515 A.2: RS256.
pub(super) const RFC7515_RS256: &str = "eyJhbGciOiJSUzI1NiJ9.\
    eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
    cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKB\
    YNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7no\
    OPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

pub(super) fn rfc7515_rs256() -> Value {
    json!({"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm\
        4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2Cap\
        Hg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"})
}

/// RFC 7515 A.3: ES256.
pub(super) const RFC7515_ES256: &str = "eyJhbGciOiJFUzI1NiJ9.\
    eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
    DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

pub(super) fn rfc7515_es256() -> Value {
    json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})
}

/// RFC 8037 A.4: Ed25519, over a text that is no JSON.
pub(super) const RFC8037_SIGNED: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
    hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

pub(super) fn rfc8037_ed25519() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

/// RFC 7638 3.1.
pub(super) fn rfc7638_rsa() -> Value {
    json!({"kty": "RSA", "e": "AQAB", "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJEC\
        PebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6\
        qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"})
}

/// Made with `jose` for Node.
pub(super) const NODE_PS256: &str = "eyJhbGciOiJQUzI1NiJ9.eyJpc3MiOiJqb2UifQ.\
    OiA_mlzKGlUvoOTJFkWLNs-YJlpuQYxpE6u46lfC3l9KP5ymzheE5dHGKweDRtHMVO_hjjBZC5aKYW0nqOKJJoOd3bfmMHNdbq2q-UqUUQaIq15P9nL5LUwKpYZzwdnrP_qg\
    SzX1ysSdTeeIBis1R3DOni6oJzaGrPQQUhj1lqZYqbLdS9skRaea50ecGRuiu1DYZlm7q0URfLoV_8AQQXwRP_NOPNRoMxHxtHwPgF1m0xMc7ZdnEbyZcRCjRku-nC9H5Uft\
    1iUlLnUWrXhImh1c_ynR-uLrd3Q1H2SiOwJZjOazhrFLkQzsULliJhTNOK-qEk4QXLMV0FnKsSs5Jw";

pub(super) fn node_ps256() -> Value {
    json!({"kty": "RSA", "e": "AQAB", "n": "0IN4cD87pr3ZP-zTHTbuV0BvfYn9F3-y-1Jbh_hyZn8gXrOB3X9TDaKTNnCNrGTiPQ5UZj6pFRl1k3dRlTStLwjcuIc\
        qlE6kNIvS5ApbrY6lA2_5Gp43hIkKzSXXS8ePQpi7Y17HOeq9SzaoTA9MUhmzu8e3wsmxgXF1eOV17dgb2Z8498tHrZijoBei9tsZZ5MpH4_8CQvlw7pGvgRuTn_mlFdFX\
        EaCbA_roUBOy4hPIGX90grIBBtV8GpZXkkI2iis126oWNhkPSI4t7KkYAZtBP9B9R0FYCMPRS9qHw55rIXZzqI6DXx9wQFl0f3rh1Ls_xGE3DKXHLOp_gjH7w"})
}

/// Too short to be used.
pub(super) fn rsa_1024() -> Value {
    json!({"kty": "RSA", "e": "AQAB", "n": "w-GHzkTkn90IYRjVQYJZTq2sH_r_a5a_mHWVxuVGqstJynQ3jzyARIJ6thzZiezeoTwuvK4_8ca-goxZfZEpoVhgNuv\
        l42c3uHIBVjydsfQDgHRyeqjY-QcFNnJ4Awh2sNPkEjbqcQ1CoAZIS7fnb0idhL45C_9BD2ugIv-w_F0"})
}

pub(super) fn p384() -> Value {
    json!({"kty": "EC", "crv": "P-384", "x": "7yXOXPswjVpYHsUpfa-6nJNelGYsz8KpENOS1DkjwzvorVjkg7HKCRNPT01_XZNz",
        "y": "uIulXbf1LWAC0batgRbkrW1GNQ7MIPMvLmAt7fzGLtwpyfCer7CH4ENodJqOaP9X"})
}

pub(super) fn p521() -> Value {
    json!({"kty": "EC", "crv": "P-521", "x": "AfcNEbeMxygYhDHAOpTR0ccKSMvoPrgM-rozzGQqPWG3y-0Z0pcX9GkE_GZDSPADybjqvEKnPPINnBbYtv9Is7fG",
        "y": "AevRHD8E31_rw-VYHlAvIuyGRXTf-f0tFgGaxnyII5aC9TiDAOHgRGRY7yUGVjNWV9kyP0LwKhfFQSX4kGh6hniI"})
}

pub(super) fn x25519() -> Value {
    json!({"kty": "OKP", "crv": "X25519", "x": "zWFVDXCTolNfDWn6fVlPGi6okwuqHmpvhE_eHYKO9CU"})
}

/// One of each kind.
pub(super) fn all_kinds() -> [Value; 6] {
    [rfc7515_es256(), rfc7515_rs256(), rfc8037_ed25519(), p384(), p521(), x25519()]
}

/// RFC 7515 A.2 and A.3, RFC 8037 A.1, with what each is for.
pub(super) fn private_keys() -> [(Value, &'static [JwsAlgorithm]); 3] {
    let (mut rsa, mut ec, mut ed) = (rfc7515_rs256(), rfc7515_es256(), rfc8037_ed25519());
    ec["d"] = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI".into();
    ed["d"] = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A".into();
    for (name, value) in [
        (
            "d",
            "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0Bk\
             TGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XC\
             LQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ",
        ),
        (
            "p",
            "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY\
             5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc",
        ),
        (
            "q",
            "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-n\
             jbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc",
        ),
        (
            "dp",
            "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk3vmAktV2zb34M\
             Cdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0",
        ),
        (
            "dq",
            "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w9cjz3_-kyNlx\
             Ar2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU",
        ),
        (
            "qi",
            "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0I\
             TrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U",
        ),
    ] {
        rsa[name] = value.into();
    }
    [(rsa, &[JwsAlgorithm::Ps256, JwsAlgorithm::Rs256]), (ec, &[JwsAlgorithm::Es256]), (ed, &[JwsAlgorithm::EdDsa, JwsAlgorithm::Ed25519])]
}
