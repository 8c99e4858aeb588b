-- Claim adjustment reason codes by class (patient-share, contractual, cob; every other code is a denial)
-- and category. A ConceptMap of the practice goes before the defaults below, one for a payer
-- (useContext) before one for all. Grain: payer_id ('' for all payers) and reason_code.
WITH default_rule AS (
  SELECT d.reason_code, d.class, d.category
  FROM (VALUES
    ('1', 'patient-share', 'patient-share'), ('2', 'patient-share', 'patient-share'),
    ('3', 'patient-share', 'patient-share'),
    ('24', 'contractual', 'contractual'), ('44', 'contractual', 'contractual'),
    ('45', 'contractual', 'contractual'), ('59', 'contractual', 'contractual'),
    ('90', 'contractual', 'contractual'), ('91', 'contractual', 'contractual'),
    ('94', 'contractual', 'contractual'), ('131', 'contractual', 'contractual'),
    ('144', 'contractual', 'contractual'), ('161', 'contractual', 'contractual'),
    ('187', 'contractual', 'contractual'), ('223', 'contractual', 'contractual'),
    ('225', 'contractual', 'contractual'), ('237', 'contractual', 'contractual'),
    ('246', 'contractual', 'contractual'), ('253', 'contractual', 'contractual'),
    ('23', 'cob', 'cob'),
    ('26', 'denial', 'eligibility'), ('27', 'denial', 'eligibility'), ('31', 'denial', 'eligibility'),
    ('32', 'denial', 'eligibility'), ('33', 'denial', 'eligibility'),
    ('22', 'denial', 'wrong-payer'), ('109', 'denial', 'wrong-payer'),
    ('15', 'denial', 'authorization'), ('197', 'denial', 'authorization'), ('198', 'denial', 'authorization'),
    ('16', 'denial', 'missing-information'), ('163', 'denial', 'missing-information'),
    ('226', 'denial', 'missing-information'), ('227', 'denial', 'missing-information'),
    ('251', 'denial', 'missing-information'), ('252', 'denial', 'missing-information'),
    ('50', 'denial', 'medical-necessity'), ('55', 'denial', 'medical-necessity'),
    ('56', 'denial', 'medical-necessity'),
    ('49', 'denial', 'non-covered'), ('96', 'denial', 'non-covered'), ('204', 'denial', 'non-covered'),
    ('4', 'denial', 'coding'), ('5', 'denial', 'coding'), ('6', 'denial', 'coding'), ('7', 'denial', 'coding'),
    ('9', 'denial', 'coding'), ('10', 'denial', 'coding'), ('11', 'denial', 'coding'),
    ('97', 'denial', 'coding'), ('146', 'denial', 'coding'), ('181', 'denial', 'coding'),
    ('182', 'denial', 'coding'), ('199', 'denial', 'coding'), ('231', 'denial', 'coding'),
    ('234', 'denial', 'coding'), ('236', 'denial', 'coding'),
    ('119', 'denial', 'frequency'), ('151', 'denial', 'frequency'), ('222', 'denial', 'frequency'),
    ('18', 'denial', 'duplicate'), ('29', 'denial', 'timely-filing'),
    ('8', 'denial', 'enrollment'), ('170', 'denial', 'enrollment'), ('185', 'denial', 'enrollment'),
    ('B7', 'denial', 'enrollment')
  ) AS d(reason_code, class, category)
),
own_rule AS (
  SELECT COALESCE(r.payer_id, '') AS payer_id, r.reason_code,
         MAX(CASE WHEN r.target_system = 'https://remit.example/fhir/rcm/CodeSystem/rcm-denial-class'
                  THEN r.target_code END) AS class,
         MAX(CASE WHEN r.target_system = 'https://remit.example/fhir/rcm/CodeSystem/rcm-denial-category'
                  THEN r.target_code END) AS category
  FROM denial_rule r
  WHERE r.status = 'active' AND r.target_code IS NOT NULL
  GROUP BY COALESCE(r.payer_id, ''), r.reason_code
)
SELECT o.payer_id, o.reason_code, COALESCE(o.class, d.class, 'denial') AS class,
       COALESCE(o.category, d.category, 'other') AS category
FROM own_rule o LEFT JOIN default_rule d ON d.reason_code = o.reason_code
UNION ALL
SELECT '' AS payer_id, d.reason_code, d.class, d.category
FROM default_rule d LEFT JOIN own_rule o ON o.reason_code = d.reason_code AND o.payer_id = ''
WHERE o.reason_code IS NULL
