# Every instruction in every case.
fRoM alpine aS Base
rUn true
cMd ["sh"]
lAbEl a=b
eXpOsE 80
eNv a=b
aDd a b
cOpY a b
eNtRyPoInT ["sh"]
vOlUmE /v
uSeR u
wOrKdIr /w
aRg x
oNbUiLd rUn true
sToPsIgNaL 9
hEaLtHcHeCk NoNe
sHeLl ["sh"]
